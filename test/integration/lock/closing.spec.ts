import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CoordService } from '../../../lib/coord/coord.service.js';
import { LockLostError } from '../../../lib/errors/lock-lost.error.js';
import { FaultProxy } from '../../../lib/testing/index.js';
import { until } from '../../support/until.js';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';
import { LockRoom } from './lock-room.js';

describe.each(await etcdKinds())('the close of a process, on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let proxy: FaultProxy;
  let other: LockRoom;
  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
  });
  afterAll(() => etcd.stop());
  beforeEach(async () => {
    proxy = await FaultProxy.start({ target: etcd.endpoints[0]! });
    other = new LockRoom(etcd.endpoints);
    await other.client.ready();
  });
  afterEach(async () => {
    await other.close();
    await proxy.close();
  });

  const connect = () => CoordService.connect({ service: { name: 'closing' }, endpoints: [proxy.endpoint] });

  it('tells what runs under a lock first, and gives the lock away when that has ended', async () => {
    const coord = await connect();
    const steps: string[] = [];
    let started = (): void => undefined;
    const running = new Promise<void>((resolve) => (started = resolve));
    const using = coord.lock.using('work', {}, async ({ signal }) => {
      started();
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      steps.push(`told: ${(await other.keys('/locks/work/')).length} key(s)`);
      await sleep(50);
      steps.push('ended');
    });
    const ended = expect(using).rejects.toBeInstanceOf(LockLostError);
    await running;
    const next = other.locks.using('work', {}, () => void steps.push('next'));
    await until(async () => (await other.keys('/locks/work/')).length === 2);
    await coord.close();
    await ended;
    await next;
    expect(steps).toEqual(['told: 2 key(s)', 'ended', 'next']);
  });

  it('does not wait for ever for what does not listen', async () => {
    const coord = await connect();
    let end = (): void => undefined;
    const work = new Promise<void>((resolve) => (end = resolve));
    let started = false;
    const using = coord.lock.using('deaf', {}, () => {
      started = true;
      return work;
    });
    const ended = expect(using).rejects.toBeInstanceOf(LockLostError);
    await until(() => started);
    await coord.close();
    await (await other.locks.acquire('deaf')).release();
    end();
    await ended;
  });

  it('keeps a lock from the next one until minHold is over, whether it was released before or not', async () => {
    const coord = await connect();
    const released = await coord.lock.acquire('released', { minHold: '20s' });
    await coord.lock.acquire('held', { minHold: '20s' });
    await coord.lock.acquire('free');
    await released.release();
    await coord.close();
    expect(await other.locks.tryAcquire('released')).toBeNull();
    expect(await other.locks.tryAcquire('held')).toBeNull();
    expect(await other.locks.tryAcquire('free')).not.toBeNull();
  });

  it('keeps minHold over a link so slow that nothing can be confirmed', async () => {
    const coord = await connect();
    const lock = await coord.lock.acquire('slow', { minHold: '20s' });
    proxy.delay(400, 400);
    void lock.release();
    await coord.close();
    proxy.resume();
    // What was under way when the connection ended may still arrive.
    await sleep(1_500);
    expect(await other.locks.tryAcquire('slow')).toBeNull();
  });

  it('ends by itself only once: a second one waits for the first', async () => {
    const room = new LockRoom([proxy.endpoint]);
    await room.locks.acquire('twice');
    proxy.stall();
    const closing = room.locks.close();
    let closed = false;
    void closing.then(() => (closed = true));
    void room.locks.close();
    await sleep(100);
    expect(closed).toBe(false);
    proxy.resume();
    await closing;
    await until(async () => (await other.keys('/locks/twice/')).length === 0);
    await room.close();
  });
});
