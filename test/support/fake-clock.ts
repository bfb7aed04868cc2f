import type { Clock } from '../../lib/coord/etcd/clock.js';

interface Timer {
  readonly at: number;
  readonly callback: () => void;
  readonly hold: boolean;
}

/** A clock that stands still until it is told to move; timers run in order of their time. */
export class FakeClock implements Clock {
  #now = 1_000;
  #wallOffset = 1_700_000_000_000;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#now + this.#wallOffset;
  }

  after(delay: number, callback: () => void, { hold = false }: { readonly hold?: boolean } = {}): () => void {
    const timer = { at: this.#now + delay, callback, hold };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How many timers are waiting. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Whether a timer is waiting that would keep the process alive. */
  get holding(): boolean {
    return [...this.#timers].some(({ hold }) => hold);
  }

  /** Moves both clocks, running what falls due. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.callback();
    }
    this.#now = end;
  }

  /** Time passes, and no timer runs: a process that was stopped, an event loop that was blocked. */
  freeze(ms: number): void {
    this.#now += ms;
  }

  /** Only the wall clock moves: it was set, or the machine was suspended. */
  setWall(ms: number): void {
    this.#wallOffset += ms;
  }
}
