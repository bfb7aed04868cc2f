import type { Clock } from './clock.js';

export interface BackoffOptions {
  /** The ceiling of the first wait, in ms. @default 100 */
  readonly first?: number;
  /** The ceiling that doubling stops at, in ms. @default 10_000 */
  readonly most?: number;
}

/**
 * Exponential backoff with full jitter: each wait is uniform between 0 and a ceiling that doubles, so that a thousand
 * clients cut at the same moment do not come back at the same moment.
 * (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.)
 */
export class Backoff {
  readonly #first: number;
  readonly #most: number;
  readonly #random: () => number;
  #failures = 0;

  constructor({ first = 100, most = 10_000 }: BackoffOptions = {}, random: () => number = Math.random) {
    this.#first = first;
    this.#most = most;
    this.#random = random;
  }

  /** The next wait in ms. */
  next(): number {
    const ceiling = Math.min(this.#most, this.#first * 2 ** Math.min(this.#failures++, 30));
    return this.#random() * ceiling;
  }

  /** After a success the next failure starts from the first ceiling again. */
  reset(): void {
    this.#failures = 0;
  }
}

/**
 * Resolves after `delay` ms, or at once when `signal` aborts: whoever waits asks the signal next. It keeps the process alive
 * only with `hold`.
 */
export function pause(
  clock: Clock,
  delay: number,
  signal: AbortSignal,
  options?: { readonly hold?: boolean },
): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(delay, done, options);
    signal.addEventListener('abort', done, { once: true });
  });
}
