import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../lib/testing/faults/seeded-random.js';

describe('SeededRandom', () => {
  it('makes the same sequence from the same seed and another from another', () => {
    const draws = (seed: number) => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 20 }, () => random.next());
    };
    expect(draws(42)).toEqual(draws(42));
    expect(draws(42)).not.toEqual(draws(43));
  });

  it('draws whole numbers between both ends, both included', () => {
    const random = new SeededRandom(1);
    const seen = new Set(Array.from({ length: 500 }, () => random.integer(3, 6)));
    expect(seen).toEqual(new Set([3, 4, 5, 6]));
  });

  it('picks each of the choices and refuses to pick from none', () => {
    const random = new SeededRandom(1);
    expect(new Set(Array.from({ length: 100 }, () => random.pick(['a', 'b'])))).toEqual(new Set(['a', 'b']));
    expect(() => random.pick([])).toThrow('nothing to pick from');
  });

  it('forks a sequence that does not depend on later draws', () => {
    const [one, two] = [new SeededRandom(5), new SeededRandom(5)];
    const [left, right] = [one.fork(), two.fork()];
    one.next();
    expect(left.next()).toBe(right.next());
  });

  it('prints the seed that it takes from the environment, with the way to repeat', () => {
    const lines: string[] = [];
    process.env['IM_SEED_OF_SPEC'] = '77';
    try {
      const random = SeededRandom.announced('storm', 'IM_SEED_OF_SPEC', (line) => lines.push(line));
      expect(random.seed).toBe(77);
      expect(lines).toEqual(['storm: seed 77 (repeat with IM_SEED_OF_SPEC=77)']);
    } finally {
      delete process.env['IM_SEED_OF_SPEC'];
    }
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 32])('refuses the seed %d', (seed) => {
    expect(() => new SeededRandom(seed)).toThrow(/^seed takes an integer/);
  });
});
