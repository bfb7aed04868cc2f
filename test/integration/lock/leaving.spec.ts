import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Lock } from '../../../lib/coord/lock/lock.js';
import { CoordUnavailableError } from '../../../lib/errors/coord-unavailable.error.js';
import { OutcomeUnknownError } from '../../../lib/errors/outcome-unknown.error.js';
import { SessionLostError } from '../../../lib/errors/session-lost.error.js';
import { until } from '../../support/until.js';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';
import { LockRoom } from './lock-room.js';

describe.each(await etcdKinds())('who does not wait for a lock any more, on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let a: LockRoom;
  let b: LockRoom;
  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
  });
  afterAll(() => etcd.stop());
  beforeEach(async () => {
    a = new LockRoom(etcd.endpoints);
    b = new LockRoom(etcd.endpoints);
    await (await a.locks.acquire('warm-up')).release();
  });
  afterEach(() => Promise.all([a.close(), b.close()]));

  const reasons = [
    new Error('the caller left'),
    new SessionLostError('the id 7 is lost'),
    new CoordUnavailableError('the database is away'),
    new OutcomeUnknownError('a write of the caller'),
  ];

  it.each(reasons)('is told its own reason, whatever that is: %o', async (reason) => {
    const before = await a.revision();
    const gone = AbortSignal.abort(reason);
    await expect(a.locks.acquire('gone', { signal: gone })).rejects.toBe(reason);
    await expect(a.locks.tryAcquire('gone', { signal: gone })).rejects.toBe(reason);
    expect(await a.revision()).toBe(before);
    // Under way: after the attempt was sent, and while it waits for its turn.
    const caller = new AbortController();
    const acquiring = a.locks.acquire('gone', { signal: caller.signal });
    setImmediate(() => caller.abort(reason));
    await expect(acquiring).rejects.toBe(reason);
    await until(async () => (await b.keys('/locks/gone/')).length === 0, {
      what: 'the place to be given back',
    });
    const held = await b.locks.acquire('gone');
    const other = new AbortController();
    const waiting = a.locks.acquire('gone', { signal: other.signal });
    await until(async () => (await b.keys('/locks/gone/')).length === 2);
    other.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await held.release();
    expect(await b.locks.tryAcquire('gone')).not.toBeNull();
  });

  it('leaves nothing behind, however many there are, and its slot to the next', async () => {
    const left = Array.from({ length: 50 }, async (_, index) => {
      const caller = new AbortController();
      const acquiring = a.locks.acquire('busy', { signal: caller.signal, timeout: '20s' });
      setTimeout(() => caller.abort(new Error('enough')), index % 5);
      await acquiring.then(
        (lock) => lock.release(),
        () => undefined,
      );
      await a.locks.acquire('busy', { timeout: 0.1 }).then(
        (lock) => lock.release(),
        () => undefined,
      );
    });
    await Promise.all(left);
    await until(async () => (await a.keys()).length === 0, { what: 'the queue to be empty' });
    expect((await a.epochs()).length).toBeLessThanOrEqual(1);
    const next = Array.from({ length: 50 }, () => a.locks.acquire('busy', { timeout: '20s' }));
    await until(async () => (await a.keys()).length === 50);
    const slots = (await a.keys()).map((key) => Number(key.split('-')[1] ?? 0));
    expect(Math.max(...slots)).toBeLessThan(100);
    await Promise.all(next.map(async (acquiring) => (await acquiring).release()));
  });

  it('lets go of the locks of jobs that have ended, though each has begun the next', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const refs: WeakRef<Lock>[] = [];
    await new Promise<void>((done, failed) => {
      const run = async (): Promise<void> => {
        await a.locks.using('job', {}, (lock) => {
          refs.push(new WeakRef(lock));
          if (refs.length < 10) setImmediate(() => void run().catch(failed));
          else done();
        });
      };
      void run().catch(failed);
    });
    await until(
      () => {
        collect();
        return refs.slice(0, 5).every((ref) => ref.deref() === undefined);
      },
      { what: 'the first locks to be collected' },
    );
  });
});
