import { randomInt } from 'node:crypto';
import { checkInteger } from '../../options/check.js';

const LARGEST_SEED = 2 ** 32 - 1;

/** A random sequence that the same seed makes again: a failure under faults can be repeated. Not for secrets. */
export class SeededRandom {
  #state: number;

  constructor(readonly seed: number = randomInt(LARGEST_SEED)) {
    this.#state = checkInteger('seed', seed, 0, LARGEST_SEED);
  }

  /**
   * Takes the seed from a variable, a fresh one if it is not set, and prints it with the way to repeat the run.
   *
   * @param variable its name. @default IM_SEED
   */
  static announced(
    what: string,
    variable = 'IM_SEED',
    log: (line: string) => void = (line) => process.stdout.write(`${line}\n`),
  ): SeededRandom {
    const given = process.env[variable];
    const random = new SeededRandom(given === undefined || given === '' ? undefined : Number(given));
    log(`${what}: seed ${random.seed} (repeat with ${variable}=${random.seed})`);
    return random;
  }

  /** From 0 to 1, 1 not included (mulberry32, public domain, by Tommy Ettinger). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `min` to `max`, both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new RangeError('nothing to pick from');
    return choices[this.integer(0, choices.length - 1)]!;
  }

  /** A sequence of its own, so that one part's number of draws does not move another's. */
  fork(): SeededRandom {
    return new SeededRandom(this.integer(0, LARGEST_SEED));
  }
}
