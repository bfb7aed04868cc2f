import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NoInstanceError } from '../../../lib/errors/no-instance.error.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { until } from '../../support/until.js';
import { type EtcdUnderTest, etcdKinds, startEtcdOf } from '../etcd-kinds.js';
import { RegistryRoom } from './registry-room.js';

describe.each(await etcdKinds())('picking an instance without gRPC, over an etcd of kind %s', (kind) => {
  let etcd: EtcdUnderTest;
  let room: RegistryRoom;
  let services = 0;
  let name = '';

  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
    room = new RegistryRoom(etcd.endpoints);
    await room.client.ready();
  });

  afterAll(async () => {
    await room.close();
    await etcd.stop();
  });

  const serve = async (metadatas: Record<string, Record<string, string>>): Promise<void> => {
    name = `web-${++services}`;
    await Promise.all(
      Object.entries(metadatas).map(([id, metadata]) =>
        room.registry.register({ name, id, address: '10.0.0.1', port: 80 + id.charCodeAt(0), metadata }),
      ),
    );
  };

  const ids = async (
    times: number,
    ...policy: [Parameters<typeof room.registry.pick>[1]?]
  ): Promise<string[]> => {
    const seen: string[] = [];
    for (let time = 0; time < times; time++) seen.push((await room.registry.pick(name, ...policy)).id);
    return seen.toSorted((a, b) => a.localeCompare(b));
  };

  it('takes turns, by weight', async () => {
    await serve({ a: {}, b: {}, c: { weight: '2' } });
    expect((await ids(8)).join('')).toBe('aabbcccc');
    expect(new Set(await ids(5, 'pick_first')).size).toBe(1);
  });

  it('gives the same instance for the same key', async () => {
    await serve({ a: {}, b: {}, c: {} });
    const homes = new Set<string>();
    for (let user = 0; user < 20; user++) {
      const seen = new Set(await ids(3, { loadBalancing: 'consistent_hash', key: `user-${user}` }));
      expect(seen.size).toBe(1);
      for (const id of seen) homes.add(id);
    }
    expect(homes.size).toBe(3);
  });

  it('prefers a zone and keeps to a version', async () => {
    await serve({ a: { zone: 'x', version: '1' }, b: { zone: 'y', version: '2' } });
    expect(await ids(3, { zone: 'x' })).toEqual(['a', 'a', 'a']);
    expect(await ids(3, { version: '2' })).toEqual(['b', 'b', 'b']);
    await expect(room.registry.pick(name, { version: '3' })).rejects.toBeInstanceOf(NoInstanceError);
  });

  it('keeps to a zone whatever is in its name, also after a change', async () => {
    await serve({ a: { zone: 'eu/1' }, b: { zone: 'eu/2' } });
    expect(await ids(2, { zone: 'eu/1' })).toEqual(['a', 'a']);
    await room.put(`/services/${name}/c`, JSON.stringify({ address: 'c', port: 1 }));
    await until(async () => (await ids(3)).includes('c'));
    expect(await ids(4, { zone: 'eu/1' })).toEqual(['a', 'a', 'a', 'a']);
  });

  it('uses those that drain when there is nobody else', async () => {
    await serve({ a: { state: 'draining' } });
    expect(await ids(1)).toEqual(['a']);
  });

  it('follows the registry, and leaves out who drains', async () => {
    await serve({ a: {}, b: {} });
    await ids(2);
    await room.put(
      `/services/${name}/c`,
      JSON.stringify({ address: 'c', port: 1, metadata: { state: 'draining' } }),
    );
    await room.registry.deregister('a');
    await until(async () => (await ids(3)).join('') === 'bbb');
  });

  it('says that there is nobody any more, and of a service that it has never seen what to look at', async () => {
    const failure = (service: string): Promise<unknown> =>
      room.registry.pick(service).catch((error: unknown) => error);
    await serve({ a: {} });
    await ids(1);
    await room.registry.deregister('a');
    await until(async () => (await failure(name)) instanceof NoInstanceError);
    expect(await failure(name)).toEqual(new NoInstanceError(`no instance of ${name} is registered`));
    expect(await failure('nobody')).toEqual(
      new NoInstanceError(
        'no instance of nobody is registered, nor has this process seen one since it last began to look: ' +
          'is the name spelled right, and does its server register at /services/nobody/{id}?',
      ),
    );
  });

  it('refuses what makes no sense', async () => {
    await expect(room.registry.pick('a/b')).rejects.toBeInstanceOf(ValidationError);
    await expect(room.registry.pick('a', 'least_request' as never)).rejects.toThrow(
      'loadBalancing takes one of',
    );
    await expect(room.registry.pick('a', { loadBalancing: 'consistent_hash' })).rejects.toThrow('key takes');
  });

  it('explains a pick where no gRPC client is', async () => {
    await serve({ a: {}, b: { weight: '0' } });
    const { connected, chosen, instances } = await room.registry.explain(name);
    expect(connected).toBe(false);
    expect(chosen?.id).toBe('a');
    expect(instances.find(({ instance }) => instance.id === 'b')?.excluded).toBe('its weight is 0');
  });
});
