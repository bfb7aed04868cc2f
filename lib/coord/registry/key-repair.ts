import { Backoff } from '../etcd/backoff.js';
import type { Clock } from '../etcd/clock.js';

/** After this long without a repair the next one is immediate again, in ms. */
const CALM = 10_000;

/** The longest pause, in ms: two processes that claim one id answer each other, and must not flood etcd. */
const LONGEST_PAUSE = 5_000;

/**
 * When a key is put back: at once the first time, then with growing pauses, one attempt at a time. What happens during an
 * attempt leads to one more.
 */
export class KeyRepair {
  readonly #clock: Clock;
  readonly #attempt: (reason: string) => Promise<boolean>;
  readonly #backoff = new Backoff({ first: 200, most: LONGEST_PAUSE });
  #last = -Infinity;
  #next: { readonly reason: string; readonly most: number } | undefined;
  #working: Promise<void> | undefined;
  #shortenPause: ((most: number) => void) | undefined;
  #stopped = false;

  /** @param attempt puts the key back; `false` if it is worth another attempt. Must not reject. */
  constructor(clock: Clock, attempt: (reason: string) => Promise<boolean>) {
    this.#clock = clock;
    this.#attempt = attempt;
  }

  /**
   * Repairs. Resolves when nothing is left to repair, or nothing can be done.
   *
   * @param most the longest pause before it, in ms
   */
  mend(reason: string, most = LONGEST_PAUSE): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    this.#next = { reason, most: Math.min(most, this.#next?.most ?? most) };
    this.#shortenPause?.(most);
    this.#working ??= this.#work().finally(() => (this.#working = undefined));
    return this.#working;
  }

  /** No attempt begins any more. */
  stop(): void {
    this.#stopped = true;
    this.#shortenPause?.(0);
  }

  async #work(): Promise<void> {
    while (this.#next !== undefined && !this.#stopped) {
      const due = this.#next;
      this.#next = undefined;
      if (this.#clock.now() - this.#last > CALM) this.#backoff.reset();
      else await this.#pause(Math.min(due.most, this.#backoff.next()));
      if (this.#stopped) return;
      this.#last = this.#clock.now();
      if (!(await this.#attempt(due.reason))) this.#next ??= due;
    }
  }

  /** Waits `delay` ms, or less if it is stopped, or something comes up that must not wait for so long. */
  async #pause(delay: number): Promise<void> {
    await new Promise<void>((resolve) => {
      let end = this.#clock.now() + delay;
      let cancel = this.#clock.after(delay, resolve);
      this.#shortenPause = (most) => {
        if (this.#clock.now() + most >= end) return;
        cancel();
        if (most === 0) return resolve();
        end = this.#clock.now() + most;
        cancel = this.#clock.after(most, resolve);
      };
    });
    this.#shortenPause = undefined;
  }
}
