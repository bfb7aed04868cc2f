import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedEtcd, FaultProxy } from '../../../lib/testing/index.js';
import { until } from '../../support/until.js';
import { RegistryRoom } from './registry-room.js';

/** A registration whose etcd stops answering in the middle of a write. */
describe('a write of the registry whose answer is lost', () => {
  let etcd: EmbeddedEtcd;
  let link: FaultProxy;
  let room: RegistryRoom;
  let direct: RegistryRoom;
  const x = { name: 'user', id: 'x', address: '10.0.0.1', port: 1 };
  const key = '/services/user/x';

  beforeEach(async () => {
    etcd = await EmbeddedEtcd.start();
    link = await FaultProxy.start({ target: etcd.endpoint });
    room = new RegistryRoom([link.endpoint], { sessionTtl: '30s', requestTimeout: '500ms' });
    direct = new RegistryRoom([etcd.endpoint]);
    await Promise.all([room.client.ready(), direct.client.ready()]);
    await room.registry.register({ name: 'user', id: 'warm', address: '10.0.0.1', port: 9 });
  });

  afterEach(async () => {
    await room.close();
    await direct.close();
    await link.close();
    await etcd.stop();
  });

  const portOf = async (): Promise<number | undefined> => {
    const text = await direct.read(key);
    return text === undefined ? undefined : (JSON.parse(text) as { port: number }).port;
  };

  it('leaves no key behind when it was a registration that failed', async () => {
    const registering = room.registry.register(x);
    setImmediate(() => link.stall());
    await expect(registering).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    link.resume();
    await until(async () => (await portOf()) === undefined);
    expect(await room.registry.register(x)).toMatchObject({ state: 'registered' });
    expect(await portOf()).toBe(1);
  });

  it('is repeated when it was an update, until etcd has what was asked for last', async () => {
    const registration = await room.registry.register(x);
    link.stall();
    await expect(room.registry.register({ ...x, port: 2 })).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
    });
    expect(registration.instance.port).toBe(2);
    link.resume();
    await until(async () => (await portOf()) === 2);
  });

  it('is not made at all when it was an update that was aborted before', async () => {
    const registration = await room.registry.register(x);
    const aborted = room.registry.register({ ...x, port: 2 }, { signal: AbortSignal.abort() });
    await expect(aborted).rejects.toThrow('aborted');
    expect(registration.instance.port).toBe(1);
    await direct.remove(key);
    await until(async () => (await portOf()) !== undefined);
    expect(await portOf()).toBe(1);
  });

  it('is repeated when it was a deregistration, unless the id is registered again', async () => {
    await room.registry.register(x);
    link.stall();
    await expect(room.registry.deregister('x')).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    link.resume();
    await until(async () => (await portOf()) === undefined);

    await room.registry.register(x);
    link.stall();
    await expect(room.registry.deregister('x')).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    link.resume();
    await room.client.ready();
    const again = await room.registry.register({ ...x, port: 3 });
    expect(await portOf()).toBe(3);
    const states: string[] = [];
    again.state$.subscribe((state) => states.push(state));
    await sleep(1_000); // the removal would have been tried again by now
    expect(await portOf()).toBe(3);
    expect(states).toEqual(['registered']);
  });
});
