import { describe, expect, it } from 'vitest';
import { Backoff, pause } from '../../../lib/coord/etcd/backoff.js';
import { FakeClock } from '../../support/fake-clock.js';

describe('backoff', () => {
  it('doubles its ceiling up to the most', () => {
    const backoff = new Backoff({ first: 100, most: 1_000 }, () => 1);
    expect([1, 2, 3, 4, 5, 6].map(() => backoff.next())).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  });

  it('draws uniformly from nothing to the ceiling', () => {
    const draws = [0, 0.5, 0.25];
    const backoff = new Backoff({ first: 100, most: 10_000 }, () => draws.shift()!);
    expect([backoff.next(), backoff.next(), backoff.next()]).toEqual([0, 100, 100]);
  });

  it('starts anew after a success', () => {
    const backoff = new Backoff({}, () => 1);
    backoff.next();
    backoff.next();
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });

  it('stays finite however often it fails', () => {
    const backoff = new Backoff({ first: 100, most: 10_000 }, () => 1);
    for (let failure = 0; failure < 5_000; failure++) backoff.next();
    expect(backoff.next()).toBe(10_000);
  });

  it('pauses for the given time, or until the signal aborts, and leaves no timer', async () => {
    const clock = new FakeClock();
    const abort = new AbortController();
    const first = pause(clock, 100, abort.signal);
    clock.advance(100);
    await first;
    const second = pause(clock, 100, abort.signal);
    abort.abort();
    await second;
    await pause(clock, 100, abort.signal);
    expect(clock.pending).toBe(0);
  });
});
