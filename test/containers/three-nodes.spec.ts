import { setTimeout as passed } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CoordService } from '../../lib/index.js';
import { describeOnContainers } from './engine.js';
import { EtcdContainers } from './etcd-containers.js';

describeOnContainers('three etcds on a container network', () => {
  let etcd: EtcdContainers;
  const services: CoordService[] = [];

  beforeEach(async () => {
    etcd = await EtcdContainers.start(3);
  });

  afterEach(async () => {
    await Promise.all(services.splice(0).map((service) => service.close()));
    await etcd.stop();
  });

  const connect = async (name: string, endpoints: string[], sessionTtl = '10s'): Promise<CoordService> => {
    const service = await CoordService.connect({
      service: { name },
      endpoints,
      sessionTtl,
      keepAliveTime: '5s',
      keepAliveTimeout: '1s',
    });
    services.push(service);
    return service;
  };

  it('a frozen leader is left: writes, watches and leases go on with the others', async () => {
    const coord = await connect('survivor', etcd.endpoints, '20s');
    const registration = await coord.registry.register({ name: 'shop', address: '127.0.0.1', port: 4711 });
    const states: string[] = [];
    registration.state$.subscribe((state) => states.push(state));
    const live = await coord.config.live<number>('limit', { default: 0 });
    const { leader } = await etcd.leader();
    const start = performance.now();
    await leader.pause();
    let value = 0;
    const write = () => coord.config.set('limit', ++value).catch(() => undefined);
    await expect.poll(write, { timeout: 30_000 }).toBeDefined();
    const writes = Math.round(performance.now() - start);
    await expect.poll(() => live.value, { timeout: 30_000 }).toBe(value);
    const watches = Math.round(performance.now() - start);
    process.stdout.write(
      `containers: leader frozen, writes again after ${writes} ms, watches after ${watches} ms\n`,
    );
    await leader.unpause();
    await passed(1_000);
    expect(states).toEqual(['registered']);
    expect(await coord.registry.discover('shop')).toHaveLength(1);
    live.close();
  });

  it('a holder cut off with a minority knows that its lock is lost before the majority gives it away', async () => {
    const { followers } = await etcd.leader();
    const alone = followers[0]!;
    const majority = etcd.members.filter((member) => member !== alone);
    const minor = await connect('minor', [alone.endpoint]);
    const major = await connect(
      'major',
      majority.map(({ endpoint }) => endpoint),
    );
    const held = await minor.lock.acquire('stock', { ttl: '5s' });
    const lost = new Promise<number>((resolve) => {
      held.signal.addEventListener('abort', () => resolve(performance.now()));
    });
    const waiting = major.lock.acquire('stock', { ttl: '5s', timeout: '40s' }).then((lock) => ({
      lock,
      at: performance.now(),
    }));
    await passed(300);
    await alone.disconnect();
    const { lock, at } = await waiting;
    expect(held.isHeld()).toBe(false);
    const margin = at - (await lost);
    expect(margin).toBeGreaterThan(0);
    expect(lock.fencingToken).toBeGreaterThan(held.fencingToken);
    process.stdout.write(
      `containers: the loss was known ${Math.round(margin)} ms before the lock was given away\n`,
    );

    await alone.connect();
    await lock.release();
    const again = await minor.lock.acquire('stock', { ttl: '5s', timeout: '40s' });
    expect(again.fencingToken).toBeGreaterThan(lock.fencingToken);
    await again.release();
  });

  it('a partition that heals loses neither configuration nor instances', async () => {
    const { followers } = await etcd.leader();
    const alone = followers[0]!;
    const all = await connect('all', [alone.endpoint, ...etcd.members.map(({ endpoint }) => endpoint)]);
    const major = await connect('major', [followers[1]!.endpoint]);
    const seen: (number | undefined)[] = [];
    all.config.watch<number>('/config/dev/global/count').subscribe((count) => seen.push(count));
    await major.config.set('/config/dev/global/count', 1);
    await expect.poll(() => seen.at(-1)).toBe(1);
    await alone.disconnect();
    await major.registry.register({ name: 'late', address: '127.0.0.1', port: 4712 });
    for (let count = 2; count <= 20; count++) await major.config.set('/config/dev/global/count', count);
    await alone.connect();
    await expect.poll(() => seen.at(-1), { timeout: 40_000 }).toBe(20);
    await expect
      .poll(() => all.registry.discover('late').catch(() => []), { timeout: 40_000 })
      .toHaveLength(1);
  });
});
