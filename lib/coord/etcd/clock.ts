/** Where time comes from. Injected, so that specs of timing never sleep. */
export interface Clock {
  /** Milliseconds on a clock that only goes forward, whatever happens to the wall clock. */
  now(): number;
  /** Milliseconds since the epoch on the wall clock: shown, and used to notice that the machine was suspended. */
  wall(): number;
  /**
   * Calls `callback` once after `delay` ms; returns the cancelling function. It keeps the process alive only with `hold`: for
   * the limit of a wait that a caller awaits, since a process without etcd has nothing else that would keep it.
   */
  after(delay: number, callback: () => void, options?: { readonly hold?: boolean }): () => void;
}

/** What a timer of Node takes, in ms, about 24 days: one set for longer would run at once. */
const LONGEST = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: (delay, callback, { hold = false } = {}) => {
    const timer = setTimeout(callback, Math.min(delay, LONGEST));
    if (!hold) timer.unref();
    return () => clearTimeout(timer);
  },
};
