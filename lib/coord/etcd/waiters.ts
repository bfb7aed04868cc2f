import type { Clock } from './clock.js';
import type { WaitOptions } from './etcd.options.js';

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** Those who wait for one thing to come: each with a limit and a signal of its own. */
export class Waiters<T> {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiter<T>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves with the next value; rejects with the signal's reason, or with `late()` after `timeout` ms. */
  wait({ timeout, signal }: WaitOptions & { readonly timeout: number }, late: () => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const leave = (): void => {
        cancelTimer();
        signal?.removeEventListener('abort', onAbort);
        this.#waiting.delete(waiter);
      };
      const waiter: Waiter<T> = {
        resolve: (value) => {
          leave();
          resolve(value);
        },
        reject: (error) => {
          leave();
          reject(error);
        },
      };
      const onAbort = (): void => waiter.reject(signal!.reason);
      const cancelTimer =
        timeout === Infinity
          ? () => undefined
          : this.#clock.after(timeout, () => waiter.reject(late()), { hold: true });
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(waiter);
    });
  }

  resolve(value: T): void {
    for (const waiter of this.#waiting) waiter.resolve(value);
  }

  reject(error: unknown): void {
    for (const waiter of this.#waiting) waiter.reject(error);
  }
}
