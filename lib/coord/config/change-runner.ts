import type { Observable, Subscription } from 'rxjs';
import { type Backoff, pause } from '../etcd/backoff.js';
import { systemClock } from '../etcd/clock.js';
import { atMost } from './at-most.js';
import { sameValue } from './same-value.js';

export interface Reaction<T> {
  readonly react: (value: T, previous: T) => unknown;
  /** The part that matters: there is no reaction to a change of another. */
  readonly select: (value: T) => unknown;
  readonly report: (error: unknown) => void;
  /** Paces further tries of what failed, while the value stands. @default a change is handled, whatever came of it */
  readonly retry?: Backoff;
}

/**
 * Runs a reaction for each change of a live value, one at a time and never for the value at the start. Changes during a run
 * are one change afterwards, from what the reaction has handled to the newest.
 */
export class ChangeRunner<T> {
  readonly #reaction: Reaction<T>;
  readonly #subscription: Subscription;
  #handled: T;
  #newest: T;
  #running: Promise<void> | undefined;
  #busy = false;
  #stopped = false;
  /** Ends the wait for the next try. */
  #news = new AbortController();

  constructor(initial: T, changes$: Observable<T>, reaction: Reaction<T>) {
    this.#handled = initial;
    this.#newest = initial;
    this.#reaction = reaction;
    this.#subscription = changes$.subscribe((value) => {
      this.#newest = value;
      this.#news.abort();
      reaction.retry?.reset();
      if (!this.#busy) this.#running = this.#run();
    });
  }

  /** No call begins afterwards. Resolves with whether the one that runs, if any, ended within `limit` ms. */
  async stop(limit: number): Promise<boolean> {
    this.#stopped = true;
    this.#subscription.unsubscribe();
    this.#news.abort();
    return atMost(Promise.resolve(this.#running), { timeout: limit });
  }

  async #run(): Promise<void> {
    const { retry } = this.#reaction;
    this.#busy = true;
    while (!this.#stopped && !Object.is(this.#newest, this.#handled)) {
      const value = this.#newest;
      this.#news = new AbortController();
      if (await this.#handle(value)) {
        this.#handled = value;
        retry?.reset();
      } else {
        await pause(systemClock, retry!.next(), this.#news.signal);
      }
    }
    this.#busy = false;
  }

  /** Whether there is nothing more to do for the value. */
  async #handle(value: T): Promise<boolean> {
    const { react, select, report, retry } = this.#reaction;
    const previous = this.#handled;
    try {
      if (!sameValue(select(value), select(previous))) await react(value, previous);
      return true;
    } catch (error) {
      report(error);
      return retry === undefined;
    }
  }
}
