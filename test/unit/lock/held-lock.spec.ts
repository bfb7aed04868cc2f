import { describe, expect, it } from 'vitest';
import { instant } from '../../../lib/coord/etcd/lease-deadline.js';
import { Session } from '../../../lib/coord/etcd/session.js';
import { EXCLUSIVE } from '../../../lib/coord/lock/admission.js';
import { HeldLock } from '../../../lib/coord/lock/held-lock.js';
import { hold } from '../../../lib/coord/lock/hold.js';
import { Place } from '../../../lib/coord/lock/place.js';
import { SessionPlaces } from '../../../lib/coord/lock/session-places.js';
import { LockLostError } from '../../../lib/errors/lock-lost.error.js';
import { FakeClock } from '../../support/fake-clock.js';

const TTL = 10_000;

function heldLock({ maxHold = Infinity } = {}) {
  const clock = new FakeClock();
  const session = new Session(7n, instant(clock), TTL, clock);
  const places = new SessionPlaces(session);
  const place = new Place({ queues: ['/locks/a/'], admission: EXCLUSIVE, value: '' }, session, [0], 0);
  place.revision = 5n;
  places.all.add(place);
  place.admit();
  const leave = (): Promise<boolean> => Promise.resolve(session.isAlive());
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
});
