import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CoordService } from '../../../lib/coord/coord.service.js';
import { EmbeddedEtcd, FaultProxy } from '../../../lib/testing/index.js';
import { freePorts } from '../../../lib/testing/free-port.js';
import { EchoServer } from '../../support/grpc/echo-server.js';
import { until } from '../../support/until.js';
import { RegistryRoom } from './registry-room.js';

describe('draining a process', () => {
  let etcd: EmbeddedEtcd;
  let other: RegistryRoom;

  beforeAll(async () => {
    etcd = await EmbeddedEtcd.start();
    other = new RegistryRoom([etcd.endpoint]);
  });

  afterAll(async () => {
    await other.close();
    await etcd.stop();
  });

  const connect = (): Promise<CoordService> =>
    CoordService.connect({ service: { name: 'shop' }, endpoints: [etcd.endpoint] });
  const listed = async (): Promise<string> => {
    const { kvs } = await other.client.range({ key: '/services/', end: '/services0' });
    return kvs.map(({ key, value }) => `${key} ${String(value).includes('draining')}`).join(', ');
  };

  it.each(['drain', 'close'] as const)(
    'by coord.%s() takes out what it announced and what it registered, each after its own delay',
    async (how) => {
      const coord = await connect();
      const [port = 0] = await freePorts(1);
      const server = await EchoServer.start('own', { port });
      coord.announce({ port, address: '127.0.0.1', drainDelay: '150ms' });
      const more = { name: 'second', id: 'x', address: '10.0.0.1', port: 1 };
      await coord.registry.register(more, { drainDelay: '300ms' });
      await until(async () => (await other.registry.discover('shop')).length === 1);

      const seen: string[] = [];
      const done = coord[how]();
      await until(async () => {
        const now = await listed();
        if (seen.at(-1) !== now) seen.push(now);
        return now === '';
      });
      await done;
      expect(seen).toContain('/services/second/x true');
      expect(seen.some((each) => each.includes('/services/shop/') && each.includes('x true'))).toBe(true);
      await coord.close();
      server.kill();
    },
  );

  it('keeps its mark whatever is said of it meanwhile', async () => {
    await using room = new RegistryRoom([etcd.endpoint]);
    const instance = { name: 'marked', id: 'm', address: '127.0.0.1', port: 1 };
    const registration = await room.registry.register(instance, { drainDelay: '600ms' });
    const left = registration.leave();
    await until(async () => (await listed()).includes('marked/m true'));
    await registration.update({ load: '1' });
    expect(await listed()).toContain('marked/m true');
    await left;
    expect(await listed()).not.toContain('marked');
  });

  it('is not outlived by one of the same id that failed to start', async () => {
    const proxy = await FaultProxy.start({ target: etcd.endpoint });
    await using room = new RegistryRoom([proxy.endpoint]);
    await room.client.ready();
    proxy.stall();
    const instance = { name: 'twice', id: 't', address: '127.0.0.1', port: 1 };
    const abort = new AbortController();
    const first = room.registry.register(instance, { signal: abort.signal });
    const second = room.registry.register(instance);
    abort.abort(new Error('enough'));
    await expect(first).rejects.toThrow('enough');
    proxy.resume();
    expect((await second).state).toBe('registered');
    await until(async () => (await listed()).includes('twice/t'));
    await room.close();
    await proxy.close();
  });

  it('waits for nothing where nothing is registered', async () => {
    const coord = await connect();
    const draining = coord.drain().then(() => 'drained');
    const slower = new Promise<string>((resolve) => setTimeout(resolve, 400, 'slower'));
    expect(await Promise.race([draining, slower])).toBe('drained');
    await coord.close();
  });
});
