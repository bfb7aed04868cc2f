import { BehaviorSubject, type Observable } from 'rxjs';
import type { Clock } from './clock.js';
import type { ThrownReport } from './safe-observable.js';
import { shownSafely } from './shown-safely.js';

/** Whether a state may lag behind the truth, and since when; it does until the first proof of life. */
export class Staleness {
  /** Replays the latest, never errors. */
  readonly changes$: Observable<boolean>;
  readonly #clock: Clock;
  readonly #stale = new BehaviorSubject(true);
  #lastProof: number;

  constructor(clock: Clock, report: ThrownReport) {
    this.#clock = clock;
    this.#lastProof = clock.now();
    this.changes$ = shownSafely(this.#stale, report);
  }

  /** Milliseconds since the last proof of life; 0 while there is a live one. */
  get since(): number {
    return this.#stale.value ? this.#clock.now() - this.#lastProof : 0;
  }

  live(): void {
    if (this.#stale.value) this.#stale.next(false);
  }

  /** @param lastProof when life was last proven, on the monotonic clock */
  lost(lastProof: number): void {
    this.#lastProof = lastProof;
    if (!this.#stale.value) this.#stale.next(true);
  }

  /** No subscriber is called afterwards, but for the completion. */
  close(): void {
    this.#stale.complete();
  }
}
