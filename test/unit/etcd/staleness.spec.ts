import { beforeEach, describe, expect, it } from 'vitest';
import { Staleness } from '../../../lib/coord/etcd/staleness.js';
import { FakeClock } from '../../support/fake-clock.js';

describe('staleness', () => {
  let clock: FakeClock;
  let thrown: unknown[];
  let staleness: Staleness;
  beforeEach(() => {
    clock = new FakeClock();
    thrown = [];
    staleness = new Staleness(clock, (error) => thrown.push(error));
  });

  it('is there until the first proof of life, and counts from the last one', () => {
    clock.advance(700);
    expect(staleness.since).toBe(700);
    staleness.live();
    clock.advance(5_000);
    expect(staleness.since).toBe(0);
    staleness.lost(clock.now() - 300);
    clock.advance(200);
    expect(staleness.since).toBe(500);
  });

  it('is told once a change, also to those who come late, and to nobody else when one throws', () => {
    const seen: boolean[] = [];
    staleness.changes$.subscribe(() => {
      throw new Error('of the application');
    });
    staleness.changes$.subscribe((stale) => seen.push(stale));
    staleness.live();
    staleness.live();
    staleness.lost(clock.now());
    staleness.close();
    expect(seen).toEqual([true, false, true]);
    expect(thrown).toHaveLength(3);
  });
});
