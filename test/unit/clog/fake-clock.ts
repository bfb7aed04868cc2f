import type { Clock } from '../../../lib/clog/clock.js';

/** A clock that moves when it is told to. */
export class FakeClock implements Clock {
  #now: number;
  readonly #timers = new Set<{ readonly at: number; readonly fn: () => void }>();

  constructor(now = 1_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  get waiting(): number {
    return this.#timers.size;
  }

  after(delay: number, fn: () => void): () => void {
    const timer = { at: this.#now + delay, fn };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  advance(span: number): void {
    this.#now += span;
    for (const timer of this.#timers) {
      if (timer.at > this.#now) continue;
      this.#timers.delete(timer);
      timer.fn();
    }
  }
}
