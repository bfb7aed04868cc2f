import { setTimeout as sleep } from 'node:timers/promises';
import { Etcd3 } from 'etcd3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Lock } from '../../../lib/coord/lock/lock.js';
import { currentLock } from '../../../lib/coord/lock/lock-context.js';
import { ClosedError } from '../../../lib/errors/closed.error.js';
import { LockHeldError } from '../../../lib/errors/lock-held.error.js';
import { LockLostError } from '../../../lib/errors/lock-lost.error.js';
import { LockTimeoutError } from '../../../lib/errors/lock-timeout.error.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { until } from '../../support/until.js';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';
import { LockRoom } from './lock-room.js';

describe.each(await etcdKinds())('locks on %s etcd', (kind) => {
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
    await Promise.all([a.client.ready(), b.client.ready()]);
  });
  afterEach(() => Promise.all([a.close(), b.close()]));

  const delay = (ms: number) => sleep(ms);

  it('are held by one at a time, over processes and over the tasks of one', async () => {
    let inside = 0;
    let most = 0;
    let count = 0;
    const work = async ({ locks }: LockRoom): Promise<void> => {
      await locks.using('order:1', {}, async () => {
        most = Math.max(most, ++inside);
        await delay(1);
        count++;
        inside--;
      });
    };
    await Promise.all(Array.from({ length: 60 }, (_, index) => work(index % 2 === 0 ? a : b)));
    expect({ most, count }).toEqual({ most: 1, count: 60 });
    expect(await a.keys()).toEqual([]);
  });

  it('are not called held because the own session went before the answer came', async () => {
    const commit = a.client.commit.bind(a.client);
    let lost = false;
    Object.assign(a.client, {
      commit: async (...call: Parameters<typeof commit>) => {
        const result = await commit(...call);
        if (!lost) call[1]?.session?.lose('the test says so');
        lost ||= call[1]?.session !== undefined;
        return result;
      },
    });
    const lock = await a.locks.tryAcquire('own-loss', { timeout: 5_000 });
    expect(lost).toBe(true);
    expect(lock?.isHeld()).toBe(true);
    await lock?.release();
  });

  it('are handed on in the order in which the waiters came, with rising tokens', async () => {
    const first = await a.locks.acquire('queue');
    const order: number[] = [];
    const tokens: bigint[] = [];
    const waits: Promise<void>[] = [];
    for (let index = 0; index < 12; index++) {
      const { locks } = index % 3 === 0 ? b : a;
      waits.push(
        locks.using('queue', {}, (lock) => {
          order.push(index);
          tokens.push(lock.fencingToken);
        }),
      );
      const present = index + 2;
      await until(async () => (await a.keys('/locks/queue/')).length === present);
    }
    await first.release();
    await Promise.all(waits);
    expect(order).toEqual(Array.from({ length: 12 }, (_, index) => index));
    expect(tokens).toEqual([...tokens].sort((x, y) => Number(x - y)));
    expect(tokens[0]).toBeGreaterThan(first.fencingToken);
  });

  it('write one key for the owner, in the layout of Go, and reuse it', async () => {
    const { leaseId } = await a.client.sessions(30_000).acquire();
    const lease = leaseId.toString(16);
    const lock = await a.locks.acquire('plain');
    expect(await a.keys('/locks/plain/')).toEqual([`/locks/plain/${lease}`]);
    const second = a.locks.acquire('plain');
    await until(async () => (await a.keys('/locks/plain/')).length === 2);
    expect(await a.keys('/locks/plain/')).toEqual([`/locks/plain/${lease}`, `/locks/plain/${lease}-1`]);
    await lock.release();
    await (await second).release();
    const third = await a.locks.acquire('plain');
    expect((await a.keys('/locks/plain/'))[0]).toMatch(new RegExp(`^/locks/plain/${lease}(-1)?$`));
    await third.release();
  });

  it('cost two revisions when free, and a failed try none', async () => {
    await (await a.locks.acquire('warm-up')).release();
    const before = await a.revision();
    const lock = await a.locks.acquire('cost');
    const held = await a.revision();
    expect(await b.locks.tryAcquire('cost')).toBeNull();
    expect(await a.locks.tryAcquire('cost')).toBeNull();
    // b's first try grants its session, whose sentinel is one write.
    expect((await a.revision()) - held).toBeLessThanOrEqual(1n);
    const afterTries = await a.revision();
    expect(await b.locks.tryAcquire('cost')).toBeNull();
    expect(await a.revision()).toBe(afterTries);
    expect(held - before).toBe(1n);
    await lock.release();
    expect((await a.revision()) - afterTries).toBe(1n);
  });

  it('of nested names never wait for each other', async () => {
    const inner = await a.locks.acquire('a/b');
    const outer = await b.locks.tryAcquire('a');
    expect(outer?.isHeld()).toBe(true);
    expect(await b.locks.tryAcquire('a/b')).toBeNull();
    await Promise.all([inner.release(), outer!.release()]);
  });

  it('are given to a try only if nobody holds them or waits', async () => {
    const lock = await a.locks.tryAcquire('try');
    expect(lock).not.toBeNull();
    expect(await b.locks.tryAcquire('try')).toBeNull();
    await lock!.unlock();
    const again = await b.locks.tryAcquire('try');
    expect(again!.fencingToken).toBeGreaterThan(lock!.fencingToken);
    await again!.release();
  });

  it('time out without leaving anything in the queue', async () => {
    const lock = await a.locks.acquire('slow');
    const started = performance.now();
    await expect(b.locks.acquire('slow', { timeout: 150 })).rejects.toBeInstanceOf(LockTimeoutError);
    // A timer may be a millisecond early by the clock.
    expect(performance.now() - started).toBeGreaterThan(148);
    await expect(b.locks.acquire('slow', { timeout: 0 })).rejects.toBeInstanceOf(LockTimeoutError);
    expect(await a.keys('/locks/slow/')).toHaveLength(1);
    await lock.release();
  });

  it('stop waiting when the signal aborts, with its reason, and leave the queue', async () => {
    const lock = await a.locks.acquire('abort');
    const abort = new AbortController();
    const reason = new Error('the caller left');
    const waiting = b.locks.acquire('abort', { signal: abort.signal });
    await until(async () => (await a.keys('/locks/abort/')).length === 2);
    abort.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(b.locks.acquire('abort', { signal: abort.signal })).rejects.toBe(reason);
    await until(async () => (await a.keys('/locks/abort/')).length === 1);
    await lock.release();
  });

  it('tell of their release, and may be released twice', async () => {
    const lock = await a.locks.acquire('release');
    expect(lock.isHeld()).toBe(true);
    expect(lock.key).toBe('release');
    expect(await lock.ttl()).toBeGreaterThan(20_000);
    lock.assertHeld();
    await Promise.all([lock.release(), lock.release(), lock.unlock()]);
    expect(lock.isHeld()).toBe(false);
    expect(await lock.ttl()).toBe(0);
    expect(() => lock.assertHeld()).toThrow(LockLostError);
    expect(lock.signal.aborted).toBe(false);
  });

  it('taken outside of `using` belong to the handle: the same task waits for itself until its time is over', async () => {
    const lock = await a.locks.acquire('handle');
    await expect(a.locks.acquire('handle', { timeout: 50 })).rejects.toBeInstanceOf(LockTimeoutError);
    await lock.release();
  });

  it('are released by `await using`', async () => {
    {
      await using lock = await a.locks.acquire('scope');
      expect(lock.isHeld()).toBe(true);
    }
    expect(await a.keys('/locks/scope/')).toEqual([]);
  });

  it('are lost, and say so, when somebody deletes the key', async () => {
    const lock = await a.locks.acquire('broken', { ttl: '3s' });
    const { signal } = lock;
    const [key] = await a.keys('/locks/broken/');
    await b.client.commit({ success: [{ delete: { key: key! } }] }, { idempotent: true });
    await until(() => signal.aborted);
    expect(signal.reason).toBeInstanceOf(LockLostError);
    expect(lock.isHeld()).toBe(false);
    await lock.release();
  });

  it('make `using` reject when the key was deleted meanwhile, even before anybody noticed', async () => {
    const using = a.locks.using('fast', {}, async () => {
      const [key] = await b.keys('/locks/fast/');
      await b.client.commit({ success: [{ delete: { key: key! } }] }, { idempotent: true });
      return 'done';
    });
    await expect(using).rejects.toBeInstanceOf(LockLostError);
  });

  it('make `using` reject when the session is revoked; an error of the function goes first, the loss its cause', async () => {
    const session = await a.client.sessions(30_000).acquire();
    const failure = new Error('mine');
    const using = a.locks.using('revoked', {}, async (lock) => {
      session.lose('its lease was revoked');
      expect(lock.isHeld()).toBe(false);
      expect(lock.signal.aborted).toBe(true);
      await delay(1);
    });
    await expect(using).rejects.toBeInstanceOf(LockLostError);
    const failing = a.locks.using('revoked-2', {}, async () => {
      (await a.client.sessions(30_000).acquire()).lose('its lease was revoked');
      throw failure;
    });
    await expect(failing).rejects.toBe(failure);
    expect(failure.cause).toBeInstanceOf(LockLostError);
  });

  it('queue up again when their session is lost while they wait', async () => {
    const lock = await a.locks.acquire('requeue');
    const waiting = b.locks.acquire('requeue', { timeout: '20s' });
    await until(async () => (await a.keys('/locks/requeue/')).length === 2);
    const session = await b.client.sessions(30_000).acquire();
    session.lose('its lease was revoked');
    await until(async () =>
      (await a.keys('/locks/requeue/')).some(
        (key) => !key.includes(session.leaseId.toString(16)) && !key.includes(hexOf(lock)),
      ),
    );
    await lock.release();
    const second = await waiting;
    expect(second.isHeld()).toBe(true);
    await second.release();
  });

  it('queue up again when somebody deletes the waiting key', async () => {
    const lock = await a.locks.acquire('evicted');
    const waiting = b.locks.acquire('evicted', { timeout: '20s' });
    await until(async () => (await a.keys('/locks/evicted/')).length === 2);
    const [, key] = await a.keys('/locks/evicted/');
    const { revision } = await a.client.commit(
      { success: [{ delete: { key: key! } }] },
      { idempotent: true },
    );
    await until(async () => (await a.keys('/locks/evicted/')).length === 2);
    await lock.release();
    const second = await waiting;
    expect(second.fencingToken).toBeGreaterThan(revision);
    await second.release();
  });

  it('show the running code which lock it is under', async () => {
    expect(currentLock()).toBeUndefined();
    await a.locks.using('outer', {}, async (outer) => {
      expect(currentLock()).toBe(outer);
      await a.locks.using('inner', {}, async (inner) => {
        await delay(1);
        expect(currentLock()).toBe(inner);
      });
      expect(currentLock()).toBe(outer);
    });
    expect(currentLock()).toBeUndefined();
  });

  it('refuse to wait for themselves, and share only what was asked to be shared', async () => {
    await a.locks.using('self', {}, async (outer) => {
      await expect(a.locks.acquire('self')).rejects.toBeInstanceOf(LockHeldError);
      expect(await a.locks.tryAcquire('self')).toBeNull();
      const again = await a.locks.acquire('self', { reentrant: true });
      expect(again.fencingToken).toBe(outer.fencingToken);
      await again.release();
      expect(again.isHeld()).toBe(false);
      expect(outer.isHeld()).toBe(true);
      await expect(a.locks.acquire(['self', 'more'], { reentrant: true })).rejects.toBeInstanceOf(
        LockHeldError,
      );
    });
    await a.locks.readWrite('self').read.using({}, async () => {
      const { read, write } = a.locks.readWrite('self');
      await expect(write.acquire({ reentrant: true })).rejects.toBeInstanceOf(LockHeldError);
      await (await read.acquire({ reentrant: true })).release();
    });
  });

  it('taken again by their task tell that task of their loss, too', async () => {
    let inner: unknown;
    const outer = a.locks.using('twice', {}, async () => {
      inner = await a.locks
        .using('twice', { reentrant: true }, async () => {
          (await a.client.sessions(30_000).acquire()).lose('its lease was revoked');
          return 'done';
        })
        .catch((error: unknown) => error);
    });
    await expect(outer).rejects.toBeInstanceOf(LockLostError);
    expect(inner).toBeInstanceOf(LockLostError);
  });

  it('of several keys are taken all at once', async () => {
    const both = await a.locks.acquire(['x', 'y', 'x']);
    expect(both.keys).toEqual(['x', 'y']);
    expect(await b.locks.tryAcquire('x')).toBeNull();
    expect(await b.locks.tryAcquire(['y', 'z'])).toBeNull();
    const waiting = b.locks.acquire(['y', 'z']);
    const z = b.locks.acquire('z');
    await until(async () => (await a.keys('/locks/z/')).length === 2);
    await both.release();
    const yz = await waiting;
    expect(await a.locks.tryAcquire('z')).toBeNull();
    await yz.release();
    await (await z).release();
    expect(await a.keys()).toEqual([]);
  });

  it('of several keys in any order never deadlock', async () => {
    const names = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5'];
    const inside = new Set<string>();
    const work = async (room: LockRoom, seed: number): Promise<void> => {
      for (let round = 0; round < 12; round++) {
        const keys = names.filter((_, index) => (seed * 7 + round * 5 + index * 3) % 4 < 2);
        const shuffled = (seed + round) % 2 === 0 ? keys : [...keys].reverse();
        await room.locks.using(shuffled, { timeout: '20s' }, async () => {
          for (const key of keys) {
            expect(inside.has(key)).toBe(false);
            inside.add(key);
          }
          await delay(1);
          for (const key of keys) inside.delete(key);
        });
      }
    };
    await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((seed) => work(seed % 2 === 0 ? a : b, seed)));
    expect(await a.keys()).toEqual([]);
  });

  it('as a semaphore let in so many, first come first served', async () => {
    let inside = 0;
    let most = 0;
    const work = (room: LockRoom) =>
      room.locks.semaphore('pool', 3).using({}, async () => {
        most = Math.max(most, ++inside);
        await delay(30);
        inside--;
      });
    await Promise.all(Array.from({ length: 30 }, (_, index) => work(index % 2 === 0 ? a : b)));
    expect(most).toBe(3);
    const held = await Promise.all([1, 2, 3].map(() => a.locks.semaphore('pool', 3).tryAcquire()));
    const before = await a.revision();
    expect(await a.locks.semaphore('pool', 3).tryAcquire()).toBeNull();
    expect(await a.revision()).toBe(before);
    await Promise.all(held.map((lock) => lock!.release()));
    expect(await a.keys()).toEqual([]);
  });

  it('as a semaphore let in who came first, whichever process that is', async () => {
    const first = await Promise.all([a, b].map(({ locks }) => locks.semaphore('line', 2).acquire()));
    const order: number[] = [];
    const waits: Promise<void>[] = [];
    for (let index = 0; index < 8; index++) {
      const { locks } = index % 3 === 0 ? b : a;
      waits.push(
        locks.semaphore('line', 2).using({}, async () => {
          order.push(index);
          // One at a time from here on: two that are let in together have no order.
          await until(() => order.length === index + 1 || order.length === 8);
        }),
      );
      const present = index + 3;
      await until(async () => (await a.keys('/locks//semaphore/line/')).length === present);
    }
    await first[0]!.release();
    await Promise.all(waits);
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    await first[1]!.release();
  });

  it('as read and write locks let readers share and writers exclude', async () => {
    const { read, write } = a.locks.readWrite('doc');
    const readers = await Promise.all([read.acquire(), b.locks.readWrite('doc').read.acquire()]);
    expect(await write.tryAcquire()).toBeNull();
    expect(await b.locks.tryAcquire('doc')).toBeNull();
    const writing = b.locks.readWrite('doc').write.acquire();
    await until(async () => (await a.keys('/locks/doc/')).length === 3);
    // A reader that comes after a waiting writer waits behind it.
    const late = read.acquire();
    await until(async () => (await a.keys('/locks/doc/')).length === 4);
    expect(await read.tryAcquire()).toBeNull();
    await Promise.all(readers.map((lock) => lock.release()));
    const writer = await writing;
    let lateHas = false;
    void late.then(() => (lateHas = true));
    await delay(50);
    expect(lateHas).toBe(false);
    await writer.release();
    await (await late).release();
  });

  it('count as lost after maxHold, and are given back when the work ends', async () => {
    const lock = await a.locks.acquire('stuck', { maxHold: 100 });
    await until(() => lock.signal.aborted);
    expect(lock.isHeld()).toBe(false);
    expect(await a.keys('/locks/stuck/')).toHaveLength(1);
    await lock.release();
    expect(await a.keys('/locks/stuck/')).toEqual([]);
  });

  it('are not given to another before minHold, even if the process ends', async () => {
    const started = performance.now();
    const lock = await a.locks.acquire('job', { minHold: 1_200 });
    await lock.release();
    expect(lock.isHeld()).toBe(false);
    expect(await b.locks.tryAcquire('job')).toBeNull();
    await a.close();
    const next = await b.locks.acquire('job', { timeout: '20s' });
    expect(performance.now() - started).toBeGreaterThan(1_200);
    await next.release();
    expect(await b.keys('/locks/job/')).toEqual([]);
  });

  it('held longer than minHold are given back at once', async () => {
    const lock = await a.locks.acquire('long-job', { minHold: 1 });
    await delay(5);
    await lock.release();
    expect(await a.keys('/locks/long-job/')).toEqual([]);
  });

  it('can be claimed once, by one of all', async () => {
    const rooms = [a, b, a, b, a, b];
    const won = await Promise.all(rooms.map(({ locks }) => locks.claim('report/2026-11-22T00:00Z')));
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await b.locks.claim('report/2026-11-22T00:00Z')).toBe(false);
    expect(await b.locks.claim('report/2026-11-23T00:00Z', { retain: '2s' })).toBe(true);
    await until(() => b.locks.claim('report/2026-11-23T00:00Z', { retain: '2s' }));
    await expect(a.locks.claim('')).rejects.toBeInstanceOf(ValidationError);
    await expect(a.locks.claim('x', { retain: 10 })).rejects.toBeInstanceOf(ValidationError);
  });

  it('leave no lease where a claim was not won', async () => {
    const raw = new Etcd3({ hosts: etcd.endpoints });
    const leases = async (): Promise<number> => (await raw.leaseClient.leaseLeases()).leases.length;
    const before = await leases();
    const won = await Promise.all(Array.from({ length: 20 }, () => b.locks.claim('crowd')));
    expect(won.filter(Boolean)).toHaveLength(1);
    await until(async () => (await leases()) === before + 1);
    raw.close();
  });

  it('refuse wrong arguments before anything is sent', async () => {
    const before = await a.revision();
    const wrong = [
      () => a.locks.acquire(''),
      () => a.locks.acquire('a//b'),
      () => a.locks.acquire('a/../b'),
      () => a.locks.acquire([]),
      () => a.locks.acquire(undefined as unknown as string),
      () => a.locks.acquire('k', { ttl: '1s' }),
      () => a.locks.acquire('k', { ttl: 'soon' }),
      () => a.locks.acquire('k', { timeout: -1 }),
      () => a.locks.tryAcquire('k', { signal: {} as AbortSignal }),
      async () => a.locks.semaphore('k', 0).acquire(),
    ];
    for (const call of wrong) await expect(call()).rejects.toBeInstanceOf(ValidationError);
    expect(await a.revision()).toBe(before);
  });

  it('end with the service: waits reject, what is held is released', async () => {
    const lock = await a.locks.acquire('closing');
    const waiting = b.locks.acquire('closing');
    const rejected = expect(waiting).rejects.toBeInstanceOf(ClosedError);
    await until(async () => (await a.keys('/locks/closing/')).length === 2);
    await b.locks.close();
    await rejected;
    expect(await a.keys('/locks/closing/')).toHaveLength(1);
    await a.locks.close();
    expect(lock.isHeld()).toBe(false);
    expect(await b.keys('/locks/closing/')).toEqual([]);
    await expect(a.locks.acquire('closing')).rejects.toBeInstanceOf(ClosedError);
  });

  function hexOf(lock: Lock): string {
    return lock.guard()[0]!.key.split('/').at(-1)!;
  }
});
