import { beforeEach, describe, expect, it } from 'vitest';
import { instant, LeaseDeadline } from '../../../lib/coord/etcd/lease-deadline.js';
import { marginOf } from '../../../lib/coord/etcd/lease-margin.js';
import { FakeClock } from '../../support/fake-clock.js';

const TTL = 10_000;

describe('a lease deadline', () => {
  let clock: FakeClock;
  beforeEach(() => {
    clock = new FakeClock();
  });

  it('keeps a margin of 5 % of the TTL, and never less than 250 ms', () => {
    expect([marginOf(2_000), marginOf(5_000), marginOf(15_000), marginOf(60_000)]).toEqual([
      250, 250, 750, 3_000,
    ]);
  });

  it('counts from the sending of the renewal, not from its answer', () => {
    const sent = instant(clock);
    clock.advance(3_000);
    const deadline = new LeaseDeadline(clock, sent, TTL);
    expect(deadline.remaining()).toBe(TTL - 500 - 3_000);
  });

  it('ends before the TTL does', () => {
    const deadline = new LeaseDeadline(clock, instant(clock), TTL);
    clock.freeze(TTL - 500);
    expect(deadline.remaining()).toBe(0);
  });

  it('moves with each confirmed renewal and takes the TTL that was granted', () => {
    const deadline = new LeaseDeadline(clock, instant(clock), TTL);
    clock.advance(5_000);
    deadline.extend(instant(clock), 20_000);
    expect(deadline.remaining()).toBe(19_000);
    expect(deadline.ttl).toBe(20_000);
  });

  it('counts the time in which the machine was suspended, which only the wall clock shows', () => {
    const deadline = new LeaseDeadline(clock, instant(clock), TTL);
    clock.setWall(4_000);
    expect(deadline.remaining()).toBe(5_500);
    clock.setWall(60_000);
    expect(deadline.remaining()).toBe(0);
  });

  it('proves nothing any more once the wall clock was set back by more than the TTL', () => {
    const deadline = new LeaseDeadline(clock, instant(clock), TTL);
    clock.setWall(-5_000);
    expect(deadline.remaining()).toBe(9_500);
    clock.setWall(-3_600_000);
    expect(deadline.remaining()).toBe(0);
  });
});
