import type { Clock } from '../etcd/clock.js';
import type { CallOptions } from '../etcd/etcd.options.js';

/** The longest a timer can wait; "for ever" for a caller who asked for `Infinity`. */
const LONGEST = 2 ** 31 - 1;

/** The reason with which a call is given up because the caller's time is over. */
export class TimeIsUp extends Error {}

/** How long a caller is willing to wait in all, over every call and every wait that serves it. */
export class Deadline {
  /** What the caller allowed, in ms. */
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
  readonly #clock: Clock;
  readonly #end: number;

  constructor(timeout: number, signal: AbortSignal | undefined, clock: Clock) {
    this.timeout = timeout;
    this.signal = signal;
    this.#clock = clock;
    this.#end = clock.now() + timeout;
  }

  /** Milliseconds left, 0 when it has passed; never more than a timer can wait. */
  remaining(): number {
    return Math.min(LONGEST, Math.max(0, this.#end - this.#clock.now()));
  }

  /**
   * Runs one call with a budget of `most` ms, and leaves it when the caller's own time ends earlier. The budget of the
   * wire stays whole: a connection is not in doubt because a caller was in a hurry.
   */
  async call<T>(most: number, run: (options: CallOptions & { timeout: number }) => Promise<T>): Promise<T> {
    const remaining = this.remaining();
    if (remaining >= most) return run({ timeout: most, ...(this.signal && { signal: this.signal }) });
    const hurry = new AbortController();
    const cancel = this.#clock.after(remaining, () => hurry.abort(new TimeIsUp()), { hold: true });
    const onAbort = (): void => hurry.abort(this.signal!.reason);
    this.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      this.signal?.throwIfAborted();
      return await run({ timeout: most, signal: hurry.signal });
    } finally {
      cancel();
      this.signal?.removeEventListener('abort', onAbort);
    }
  }
}
