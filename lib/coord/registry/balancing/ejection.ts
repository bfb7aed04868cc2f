import type { Clock } from '../../etcd/clock.js';

/** Calls in a row that must fail before an instance is set aside. */
const FAILURES_IN_A_ROW = 5;

/** How long it is set aside the first time, in ms; each further time in a row twice as long, up to a minute. */
const FIRST_TERM = 2_000;
const LONGEST_TERM = 60_000;

/**
 * Whether one instance is set aside because calls to it keep failing while its connection is fine. After a term it is tried
 * again: one more failure sets it aside for twice as long, successes in a row clear its record.
 */
export class Ejection {
  readonly #clock: Clock;
  #failures = 0;
  #terms = 0;
  #until = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls in a row that failed. */
  get failures(): number {
    return this.#failures;
  }

  get active(): boolean {
    return this.#clock.now() < this.#until;
  }

  /** What is left of the term, in ms. */
  get remaining(): number {
    return Math.max(0, this.#until - this.#clock.now());
  }

  /** A call has ended. Returns whether the instance has now failed often enough to be set aside. */
  record(failed: boolean): boolean {
    if (!failed) {
      this.#failures = 0;
      this.#terms = 0;
      return false;
    }
    this.#failures++;
    return !this.active && this.#failures >= FAILURES_IN_A_ROW;
  }

  /** Sets the instance aside. Returns for how long, in ms. */
  start(): number {
    const term = Math.min(LONGEST_TERM, FIRST_TERM * 2 ** this.#terms++);
    this.#until = this.#clock.now() + term;
    this.#failures = FAILURES_IN_A_ROW - 1;
    return term;
  }
}
