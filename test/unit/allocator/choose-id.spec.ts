import { describe, expect, it } from 'vitest';
import { chooseId, preferredId, type Taken } from '../../../lib/coord/allocator/choose-id.js';

const taken = (instance: string, resting = false, modRevision = 1n): Taken => ({
  instance,
  resting,
  modRevision,
});

describe('the choice of an id', () => {
  it('is the same for the same name, and spreads over all', () => {
    expect(preferredId('orders-0', 1_000)).toBe(preferredId('orders-0', 1_000));
    const seen = new Set(Array.from({ length: 500 }, (_, index) => preferredId(`orders-${index}`, 16)));
    expect([...seen].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, index) => index + 1));
  });

  it('is the one that the instance had before, while that rests for others', () => {
    const rests = new Map([[7, taken('me', true, 42n)]]);
    expect(chooseId(10, rests, 'me', () => 0)).toEqual({ id: 7, resting: 42n });
    expect(chooseId(10, rests, 'another', () => 0)?.id).not.toBe(7);
    expect(chooseId(10, new Map([[7, taken('me')]]), 'me', () => 0)?.id).not.toBe(7);
  });

  it('takes a random free one if the preferred is taken, every one of them sooner or later', () => {
    const home = preferredId('me', 4);
    const full = new Map([[home, taken('other')]]);
    const chosen = [0, 0.34, 0.67, 0.999].map((luck) => chooseId(4, full, 'me', () => luck)?.id);
    expect(new Set(chosen).size).toBe(3);
    expect(chosen).not.toContain(home);
  });

  it('is none when all are taken, and minds no key out of range', () => {
    const all = new Map([1, 2, 3].map((id) => [id, taken('other', id === 2)] as const));
    expect(chooseId(3, all, 'me', () => 0.5)).toBeUndefined();
    const strange = new Map([[99, taken('me', true)]]);
    expect(chooseId(3, strange, 'me', () => 0)?.id).toBeLessThanOrEqual(3);
  });
});
