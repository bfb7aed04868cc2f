import { beforeEach, describe, expect, it } from 'vitest';
import { KeyRepair } from '../../../lib/coord/registry/key-repair.js';
import { FakeClock } from '../../support/fake-clock.js';

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

describe('when a key is put back', () => {
  let clock: FakeClock;
  let attempts: { readonly at: number; readonly reason: string }[];
  let outcomes: boolean[];
  let repair: KeyRepair;

  beforeEach(() => {
    clock = new FakeClock();
    attempts = [];
    outcomes = [];
    repair = new KeyRepair(clock, (reason) => {
      attempts.push({ at: clock.now(), reason });
      return Promise.resolve(outcomes.shift() ?? true);
    });
  });

  /** Lets time pass until `count` attempts have been made; returns how long that took. */
  const made = async (count: number): Promise<number> => {
    const since = clock.now();
    for (await settle(); attempts.length < count && clock.pending > 0; await settle()) clock.advance(10);
    expect(attempts).toHaveLength(count);
    return clock.now() - since;
  };

  it('is at once the first time, and again after a calm', async () => {
    void repair.mend('deleted');
    expect(await made(1)).toBe(0);
    clock.advance(10_001);
    void repair.mend('altered');
    expect(await made(2)).toBe(0);
    expect(attempts.map(({ reason }) => reason)).toEqual(['deleted', 'altered']);
  });

  it('is within the longest pause that was asked for, however often it happens', async () => {
    for (let turn = 1; turn <= 50; turn++) {
      void repair.mend('deleted', 1_000);
      expect(await made(turn)).toBeLessThanOrEqual(1_010);
    }
  });

  it('is not put off by a longer pause that is under way, nor by what is asked for later', async () => {
    for (let turn = 1; turn <= 12; turn++) {
      void repair.mend('altered');
      await made(turn);
    }
    void repair.mend('altered');
    await settle();
    void repair.mend('deleted', 100);
    void repair.mend('altered');
    expect(await made(13)).toBeLessThanOrEqual(110);
    expect(await made(14)).toBeLessThanOrEqual(110);
  });

  it('is tried again after an attempt that failed', async () => {
    outcomes = [false, false];
    void repair.mend('deleted');
    await made(3);
    expect(clock.pending).toBe(0);
  });

  it('is once more when something happens during an attempt', async () => {
    void repair.mend('deleted');
    const done = repair.mend('altered');
    await made(2);
    await done;
    expect(attempts.map(({ reason }) => reason)).toEqual(['deleted', 'altered']);
  });

  it('is not any more once it was stopped, and a pause ends then', async () => {
    void repair.mend('deleted');
    await made(1);
    const done = repair.mend('deleted');
    repair.stop();
    await done;
    await repair.mend('deleted');
    expect(attempts).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });
});
