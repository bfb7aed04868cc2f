import { setTimeout as passed } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CoordService } from '../../lib/index.js';
import { describeOnContainers } from './engine.js';
import { EtcdContainers } from './etcd-containers.js';

describeOnContainers('one etcd in a container', () => {
  let etcd: EtcdContainers;
  let here: CoordService;
  let there: CoordService;

  beforeAll(async () => {
    etcd = await EtcdContainers.start(1);
    const connect = (name: string) =>
      CoordService.connect({ service: { name }, endpoints: etcd.endpoints, sessionTtl: '5s' });
    [here, there] = await Promise.all([connect('here'), connect('there')]);
  });

  afterAll(async () => {
    await Promise.all([here?.close(), there?.close()]);
    await etcd?.stop();
  });

  it('serves discovery, configuration and locks', async () => {
    await here.registry.register({ name: 'shop', address: '127.0.0.1', port: 4711 });
    await expect.poll(() => there.registry.discover('shop')).toHaveLength(1);
    const live = await there.config.live<number>('limit', { default: 1 });
    await here.config.set('/config/dev/there/limit', 2);
    await expect.poll(() => live.value).toBe(2);
    live.close();
    await using held = await here.lock.acquire('stock');
    expect(held.isHeld()).toBe(true);
    expect(await there.lock.tryAcquire('stock')).toBeNull();
  });

  it('a pause shorter than the leases loses nothing', async () => {
    const states: string[] = [];
    const registration = await here.registry.register({ name: 'steady', address: '127.0.0.1', port: 4712 });
    registration.state$.subscribe((state) => states.push(state));
    const held = await here.lock.acquire('steady', { ttl: '10s' });
    await etcd.members[0]!.pause();
    await passed(1_500);
    await etcd.members[0]!.unpause();
    await passed(1_000);
    expect(held.isHeld()).toBe(true);
    expect(states).toEqual(['registered']);
    expect(await there.registry.discover('steady')).toHaveLength(1);
    await held.release();
    await registration.deregister();
  });

  it('a pause longer than the leases: known instances stay, the lock tells of its loss, all comes back', async () => {
    const live = await there.config.live<number>('healing', { default: 1 });
    let known = 0;
    const following = there.registry.watch('long').subscribe((instances) => {
      known = instances.length;
    });
    await here.registry.register({ name: 'long', address: '127.0.0.1', port: 4713 });
    await expect.poll(() => known).toBe(1);
    const held = await here.lock.acquire('long', { ttl: '5s' });
    const lost = new Promise<number>((resolve) => {
      held.signal.addEventListener('abort', () => resolve(performance.now()));
    });
    const start = performance.now();
    await etcd.members[0]!.pause();
    await passed(7_000);
    expect(known).toBe(1);
    expect(await there.registry.discover('long')).toHaveLength(1);
    expect(live.value).toBe(1);
    expect(held.isHeld()).toBe(false);
    expect((await lost) - start).toBeLessThan(5_000);
    await etcd.members[0]!.unpause();
    const next = await there.lock.acquire('long', { ttl: '5s', timeout: '20s' });
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken);
    await next.release();
    await expect
      .poll(() => there.config.set('healing', 2).catch(() => undefined), { timeout: 10_000 })
      .toBeDefined();
    await expect.poll(() => live.value, { timeout: 10_000 }).toBe(2);
    await expect.poll(() => there.registry.discover('long'), { timeout: 10_000 }).toHaveLength(1);
    following.unsubscribe();
    live.close();
  });
});
