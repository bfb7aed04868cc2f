import { beforeEach, describe, expect, it } from 'vitest';
import { afterSilence } from '../../../lib/coord/etcd/patience.js';
import { FakeClock } from '../../support/fake-clock.js';

describe('a wait for silence', () => {
  let clock: FakeClock;
  let ended: boolean;
  let cancel: () => void;
  beforeEach(() => {
    clock = new FakeClock();
    ended = false;
    cancel = afterSilence(clock, 1_000, () => (ended = true));
  });

  it('ends after its time', () => {
    clock.advance(999);
    expect(ended).toBe(false);
    clock.advance(1);
    expect(ended).toBe(true);
  });

  it('does not take a pause of its own process for silence', () => {
    clock.freeze(60_000);
    clock.advance(0);
    expect(ended).toBe(false);
    clock.advance(800);
    expect(ended).toBe(true);
  });

  it('can be cancelled at any time, and leaves no timer', () => {
    clock.advance(500);
    cancel();
    clock.advance(5_000);
    expect(ended).toBe(false);
    expect(clock.pending).toBe(0);
  });
});
