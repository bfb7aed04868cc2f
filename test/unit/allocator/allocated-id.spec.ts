import { expect, it } from 'vitest';
import { HeldId } from '../../../lib/coord/allocator/allocated-id.js';
import { instant } from '../../../lib/coord/etcd/lease-deadline.js';
import { Session } from '../../../lib/coord/etcd/session.js';
import { FakeClock } from '../../support/fake-clock.js';

it('an id tells of its loss within a second after the machine was suspended', () => {
  const clock = new FakeClock();
  const session = new Session(7n, instant(clock), 135_000, clock);
  const held = new HeldId({ id: 1, session, reserve: 60_000, clock, ended: async () => undefined });
  clock.advance(1_500);
  expect(held.signal.aborted).toBe(false);
  clock.setWall(75_000);
  clock.advance(1_000);
  expect(session.isAlive()).toBe(true);
  expect(held.signal.aborted).toBe(true);
});
