/** The longest a timer can wait: 2^31 − 1 ms, 24.8 days. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** The wall clock, and a timer on it; a test gives its own. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls `fn` once after at most `delay` ms (sooner for spans no timer can wait); returns how to call it off. */
  after(delay: number, fn: () => void): () => void;
}

export const wallClock: Clock = {
  now: () => Date.now(),
  after(delay, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(delay, 0), LONGEST_TIMER)).unref();
    return () => clearTimeout(timer);
  },
};
