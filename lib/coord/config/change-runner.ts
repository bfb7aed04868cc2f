import type { Observable, Subscription } from 'rxjs';
import { sameValue } from './secret.js';

/**
 * Runs a reaction for each change of a live value, one at a time and never for the value at the start. Changes during a run
 * are one change afterwards, from what the reaction has seen to the newest.
 */
export class ChangeRunner<T> {
  readonly #react: (value: T, previous: T) => unknown;
  readonly #select: (value: T) => unknown;
  readonly #report: (error: unknown) => void;
  readonly #subscription: Subscription;
  #handled: T;
  #newest: T;
  #running: Promise<void> | undefined;
  #busy = false;
  #stopped = false;

  constructor(
    initial: T,
    changes$: Observable<T>,
    react: (value: T, previous: T) => unknown,
    select: (value: T) => unknown,
    report: (error: unknown) => void,
  ) {
    this.#handled = initial;
    this.#newest = initial;
    this.#react = react;
    this.#select = select;
    this.#report = report;
    this.#subscription = changes$.subscribe((value) => {
      this.#newest = value;
      if (!this.#busy) this.#running = this.#run();
    });
  }

  /** No call begins afterwards; resolves when the one that runs has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#subscription.unsubscribe();
    await this.#running;
  }

  async #run(): Promise<void> {
    this.#busy = true;
    while (!this.#stopped && this.#newest !== this.#handled) {
      const previous = this.#handled;
      const value = this.#newest;
      this.#handled = value;
      try {
        if (!sameValue(this.#select(value), this.#select(previous))) await this.#react(value, previous);
      } catch (error) {
        this.#report(error);
      }
    }
    this.#busy = false;
  }
}
