import { describe, expect, it } from 'vitest';
import { instant } from '../../../lib/coord/etcd/lease-deadline.js';
import { Session } from '../../../lib/coord/etcd/session.js';
import { EXCLUSIVE } from '../../../lib/coord/lock/admission.js';
import { Epoch } from '../../../lib/coord/lock/epoch.js';
import { HeldLock } from '../../../lib/coord/lock/held-lock.js';
import { hold } from '../../../lib/coord/lock/hold.js';
import { Place } from '../../../lib/coord/lock/place.js';
import { ReentrantLock } from '../../../lib/coord/lock/reentrant-lock.js';
import { LockLostError } from '../../../lib/errors/lock-lost.error.js';
import { FakeClock } from '../../support/fake-clock.js';

const TTL = 10_000;

function heldLock({
  maxHold = Infinity,
  kept = true,
}: { maxHold?: number; kept?: boolean | undefined } = {}) {
  const clock = new FakeClock();
  const session = new Session(7n, instant(clock), TTL, clock);
  const request = { queues: ['/locks/a/'], admission: EXCLUSIVE, value: '' };
  const place = new Place(request, session, [0], new Epoch('/locks//epoch/7'));
  place.revision = 5n;
  session.signal.addEventListener('abort', () => place.end(session.signal.reason as Error));
  place.admit();
  const leave = (): Promise<boolean> => Promise.resolve(session.isAlive() && kept);
  const lock = new HeldLock(place, { clock, keys: ['a'], label: 'the lock "a"', maxHold, leave });
  return { clock, session, lock };
}

describe('a held lock', () => {
  it('is known to be lost right after a block or a pause, before any timer has run', () => {
    const { clock, lock } = heldLock();
    const { signal } = lock;
    lock.assertHeld();
    clock.freeze(TTL);
    // No timer has run: whoever only waited for the signal would go on.
    expect(signal.aborted).toBe(false);
    expect(() => lock.assertHeld()).toThrow(LockLostError);
    expect(lock.isHeld()).toBe(false);
    expect(signal.reason).toBeInstanceOf(LockLostError);
  });

  it('is told lost by the signal before its lease can have ended', () => {
    const { clock, lock } = heldLock();
    const { signal } = lock;
    clock.advance(TTL - 1);
    expect(signal.aborted).toBe(true);
  });

  it('is held on as long as renewals are confirmed', () => {
    const { clock, session, lock } = heldLock();
    for (let renewal = 0; renewal < 10; renewal++) {
      const sent = instant(clock);
      clock.advance(TTL / 3);
      session.extend(sent, TTL);
    }
    expect(lock.isHeld()).toBe(true);
  });

  it('is lost after maxHold, by the clock', () => {
    const { clock, lock } = heldLock({ maxHold: 100 });
    clock.freeze(100);
    expect(() => lock.assertHeld()).toThrow(/longer than maxHold/);
  });

  it('makes the work under it fail when a pause has outlasted it, though the work did not notice', async () => {
    const { clock, lock } = heldLock();
    const work = hold(lock, () => {
      clock.freeze(TTL);
      return Promise.resolve('done');
    });
    await expect(work).rejects.toBeInstanceOf(LockLostError);
  });

  it('promises no more time than maxHold leaves', async () => {
    const { clock, lock } = heldLock({ maxHold: 1_000 });
    expect(await lock.ttl()).toBe(1_000);
    clock.advance(400);
    expect(await lock.ttl()).toBe(600);
    const longer = heldLock({ maxHold: 60_000 });
    expect(await longer.lock.ttl()).toBe(longer.session.remaining());
  });

  it('is the cause of what the work under it throws, also when only etcd knew of the loss', async () => {
    const { clock, lock } = heldLock();
    const failure = new Error('mine');
    const failing = hold(lock, () => {
      clock.freeze(TTL);
      return Promise.reject(failure);
    });
    await expect(failing).rejects.toBe(failure);
    expect(failure.cause).toBeInstanceOf(LockLostError);
    const taken = heldLock({ kept: false });
    const other = new Error('mine too');
    await expect(hold(taken.lock, () => Promise.reject(other))).rejects.toBe(other);
    expect(other.cause).toBeInstanceOf(LockLostError);
  });

  it('comes last in the causes of an error that has one, and leaves alone what cannot take it', async () => {
    const root = new Error('no answer');
    const failure = new Error('mine', { cause: root });
    await expect(hold(heldLock({ kept: false }).lock, () => Promise.reject(failure))).rejects.toBe(failure);
    expect(failure.cause).toBe(root);
    expect(root.cause).toBeInstanceOf(LockLostError);
    const circle = new Error('round');
    circle.cause = circle;
    for (const odd of [circle, Object.freeze(new Error('frozen')), 'text', undefined]) {
      await expect(hold(heldLock({ kept: false }).lock, () => Promise.reject(odd))).rejects.toBe(odd);
    }
  });

  it('is lost for who takes it again, too', async () => {
    const { clock, lock } = heldLock();
    const again = new ReentrantLock(lock);
    const work = hold(again, () => {
      clock.freeze(TTL);
      return Promise.resolve('done');
    });
    await expect(work).rejects.toBeInstanceOf(LockLostError);
    expect(() => again.assertHeld()).toThrow(LockLostError);
  });

  it('that was taken again says of each handle whether it was released', async () => {
    const { lock } = heldLock();
    const again = new ReentrantLock(lock);
    expect(await hold(again, () => Promise.resolve('done'))).toBe('done');
    expect(() => again.assertHeld()).toThrow(/was released/);
    expect(await again.ttl()).toBe(0);
    lock.assertHeld();
    expect(await lock.ttl()).toBeGreaterThan(0);
  });
});
