import { beforeEach, describe, expect, it } from 'vitest';
import { Liveness } from '../../../lib/coord/registry/balancing/liveness.js';
import { FakeClock } from '../../support/fake-clock.js';

describe('whether a peer lives', () => {
  let clock: FakeClock;
  let liveness: Liveness;
  let told: boolean[];

  beforeEach(() => {
    clock = new FakeClock();
    told = [];
    liveness = new Liveness(clock, () => told.push(liveness.stalled));
  });

  it('is not asked while nothing is under way', () => {
    clock.advance(60_000);
    expect(liveness.due).toBe(false);
    expect(liveness.watched).toBe(false);
  });

  it('is asked when calls are under way and none has ended for a quarter of a second', () => {
    liveness.begin();
    clock.advance(200);
    liveness.begin();
    liveness.end(true);
    clock.advance(200);
    expect(liveness.due).toBe(false);
    clock.advance(50);
    expect(liveness.due).toBe(true);
  });

  it('is asked by new calls that come all the time, too', () => {
    for (let call = 0; call < 30; call++) {
      liveness.begin();
      clock.advance(10);
    }
    expect(liveness.due).toBe(true);
  });

  it('is stalled when it does not answer and others do, until it answers', () => {
    liveness.begin();
    clock.advance(250);
    liveness.asked();
    expect(liveness.due).toBe(false);
    liveness.missed(true);
    expect(liveness.stalled).toBe(true);
    liveness.end(false);
    expect(liveness.watched).toBe(true);
    clock.advance(250);
    expect(liveness.due).toBe(true);
    liveness.answered();
    expect(liveness.stalled).toBe(false);
    expect(liveness.watched).toBe(false);
    expect(told).toEqual([true, false]);
  });

  it('is asked one question at a time, whatever begins meanwhile', () => {
    liveness.begin();
    clock.advance(250);
    liveness.asked();
    liveness.begin();
    clock.advance(300);
    expect(liveness.due).toBe(false);
    expect(liveness.askedAt).toBe(clock.now() - 300);
    liveness.missed(false);
    expect(liveness.askedAt).toBeUndefined();
    clock.advance(250);
    expect(liveness.due).toBe(true);
  });

  it('is not stalled when a call was answered since the question', () => {
    liveness.begin();
    liveness.begin();
    clock.advance(250);
    liveness.asked();
    clock.advance(100);
    liveness.end(true);
    clock.advance(350);
    liveness.missed(true);
    expect(told).toEqual([]);
  });

  it('is neither dead nor alive when the question was lost with its connection', () => {
    liveness.begin();
    clock.advance(250);
    liveness.asked();
    liveness.forgo();
    expect(liveness.stalled).toBe(false);
    clock.advance(250);
    expect(liveness.due).toBe(true);
  });

  it('is given its time anew by the first call after a while without any', () => {
    liveness.begin();
    clock.advance(250);
    liveness.asked();
    liveness.missed(false);
    liveness.end(false);
    clock.advance(60_000);
    liveness.begin();
    expect(liveness.due).toBe(false);
    clock.advance(250);
    expect(liveness.due).toBe(true);
  });

  it('is back when a call that it had is answered after all, and says so', () => {
    liveness.begin();
    liveness.missed(true);
    liveness.missed(true);
    liveness.end(true);
    expect(liveness.stalled).toBe(false);
    liveness.answered();
    expect(told).toEqual([true, false]);
  });

  it('is not stalled when nobody answers: that may be our own fault', () => {
    liveness.begin();
    liveness.missed(false);
    expect(liveness.stalled).toBe(false);
  });

  it('is asked ever more seldom while it answers and its calls are just long', () => {
    liveness.begin();
    const pauses: number[] = [];
    for (let turn = 0; turn < 5; turn++) {
      const since = clock.now();
      while (!liveness.due) clock.advance(10);
      pauses.push(clock.now() - since);
      liveness.asked();
      liveness.answered();
    }
    expect(pauses).toEqual([250, 500, 1_000, 2_000, 2_000]);
  });

  it('is excused for a silence that we could not have heard', () => {
    liveness.begin();
    clock.advance(5_000);
    liveness.excuse();
    expect(liveness.due).toBe(false);
  });
});
