/** Where time comes from. Injected, so that specs of timing never sleep. */
export interface Clock {
  /** Milliseconds on a clock that only goes forward, whatever happens to the wall clock. */
  now(): number;
  /** Milliseconds since the epoch on the wall clock: shown, and used to notice that the machine was suspended. */
  wall(): number;
  /** Calls `callback` once after `delay` ms, without keeping the process alive; returns the cancelling function. */
  after(delay: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: (delay, callback) => {
    const timer = setTimeout(callback, delay).unref();
    return () => clearTimeout(timer);
  },
};
