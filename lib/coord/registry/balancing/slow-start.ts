import type { Clock } from '../../etcd/clock.js';

/** Where the ramp begins: a newcomer needs some calls to get warm by. */
const FLOOR = 0.1;

/** The ramp of an instance that has just come: its weight grows in a straight line from a tenth to the whole. */
export class SlowStart {
  readonly #clock: Clock;
  readonly #window: number;
  readonly #since: number;

  /** @param window in ms */
  constructor(clock: Clock, window: number) {
    this.#clock = clock;
    this.#window = window;
    this.#since = clock.now();
  }

  /** The part of the weight that counts now, 0.1 to 1. */
  get factor(): number {
    return Math.min(1, Math.max(FLOOR, (this.#clock.now() - this.#since) / this.#window));
  }

  get over(): boolean {
    return this.#clock.now() - this.#since >= this.#window;
  }
}
