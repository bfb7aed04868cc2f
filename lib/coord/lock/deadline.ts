import type { Clock } from '../etcd/clock.js';
import { CallerAborted, type CallerLeft, TimeIsUp } from './caller-left.js';

/** The longest a timer can wait, in ms: 24.8 days. */
const LONGEST = 2 ** 31 - 1;

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

  /** @throws CallerLeft if nobody waits any more */
  check(): void {
    if (this.signal?.aborted) throw new CallerAborted(this.signal.reason);
    if (this.remaining() === 0) throw new TimeIsUp();
  }

  /** Calls `leave` once, when the caller waits no more; at once if it has gone already. Returns what takes that back. */
  whenLeft(leave: (why: CallerLeft) => void): () => void {
    const { signal } = this;
    let cancelTimer = (): void => undefined;
    const stop = (): void => {
      cancelTimer();
      signal?.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      stop();
      leave(new CallerAborted(signal!.reason));
    };
    if (signal?.aborted) {
      onAbort();
      return stop;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    const wait = (): void => {
      cancelTimer = this.#clock.after(this.remaining(), timeUp, { hold: true });
    };
    // A timer may be early, and cannot wait for longer than a few weeks: then the rest is waited for.
    const timeUp = (): void => {
      if (this.remaining() > 0) return wait();
      stop();
      leave(new TimeIsUp());
    };
    // Who waits for ever holds no process that has nothing else to do.
    if (this.timeout !== Infinity) wait();
    return stop;
  }

  /**
   * Waits for `work`, which takes at most `most` ms, and rejects with {@link CallerLeft} as soon as the caller leaves.
   * `work` is told of that by `left`, and goes on as it sees fit. The budget of the wire stays whole: a connection is not
   * in doubt because a caller was in a hurry.
   */
  wait<T>(most: number, work: (left: AbortSignal | undefined) => Promise<T>): Promise<T> {
    if (!this.signal && this.remaining() >= most) return work(undefined);
    return new Promise((resolve, reject) => {
      const leaving = new AbortController();
      const stop = this.whenLeft((why) => {
        reject(why);
        leaving.abort(why);
      });
      work(leaving.signal).then(resolve, reject).finally(stop);
    });
  }
}
