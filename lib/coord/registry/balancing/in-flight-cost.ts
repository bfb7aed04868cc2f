import type { Clock } from '../../etcd/clock.js';

/** How fast a bad latency is forgiven, in ms: after this long without news 63 % of it is gone, and the instance is tried again. */
const MEMORY = 5_000;

/** Below this, in ms, differences in latency are noise. */
const FLOOR = 1;

/**
 * What a call to one instance costs: the calls it has to do, times the latency it showed lately. The latency jumps up at
 * once and comes down slowly ("peak EWMA", as in Finagle), and fades while nothing is sent.
 */
export class InFlightCost {
  readonly #clock: Clock;
  #inFlight = 0;
  #latency = 0;
  #at = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get value(): number {
    const faded = this.#latency * Math.exp((this.#at - this.#clock.now()) / MEMORY);
    return (this.#inFlight + 1) * Math.max(FLOOR, faded);
  }

  /** A call starts. */
  begin(): number {
    this.#inFlight++;
    return this.#clock.now();
  }

  /** The call that began at `since` is over. A failure counts as slow, else a broken instance would look the fastest. */
  end(since: number, failed: boolean): void {
    this.#inFlight--;
    const now = this.#clock.now();
    const sample = failed ? Math.max(now - since, 10 * this.#latency, 100) : now - since;
    const weight = Math.exp((this.#at - now) / MEMORY);
    this.#latency = sample > this.#latency ? sample : this.#latency * weight + sample * (1 - weight);
    this.#at = now;
  }
}
