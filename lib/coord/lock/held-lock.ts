import { LockLostError } from '../../errors/lock-lost.error.js';
import type { Clock } from '../etcd/clock.js';
import type { Compare } from '../etcd/kv.js';
import type { WorkedLock } from './hold.js';
import type { Place } from './place.js';

export interface HeldLockDeps {
  readonly clock: Clock;
  readonly keys: readonly string[];
  readonly label: string;
  /** Counts as lost this many ms after it was acquired; `Infinity` for never. */
  readonly maxHold: number;
  /** Nobody else gets it earlier than this many ms after it was acquired. @default 0 */
  readonly minHold?: number;
  /** Gives the place back; see `Queues.leave` for what it resolves with. */
  readonly leave: (place: Place) => Promise<boolean | undefined>;
}

/** A lock on a place that was admitted. */
export class HeldLock implements WorkedLock {
  readonly keys: readonly string[];
  readonly #place: Place;
  readonly #deps: HeldLockDeps;
  readonly #since: number;
  #abort: AbortController | undefined;
  #loss: LockLostError | undefined;
  #left: Promise<boolean | undefined> | undefined;
  #cancelMaxHold: (() => void) | undefined;

  constructor(place: Place, deps: HeldLockDeps) {
    this.#place = place;
    this.#deps = deps;
    this.keys = deps.keys;
    this.#since = deps.clock.now();
    if (deps.minHold) place.keptUntil = this.#since + deps.minHold;
    if (deps.maxHold !== Infinity) this.#watchMaxHold();
    place.listen({ lost: (reason) => this.#lose(reason.message, reason) });
  }

  get key(): string {
    return this.keys.join(', ');
  }

  get fencingToken(): bigint {
    return this.#place.revision;
  }

  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController();
      if (this.#loss) this.#abort.abort(this.#loss);
    }
    return this.#abort.signal;
  }

  /** Why the lock is lost, as far as this process can know now; `undefined` if it is held or was released in time. */
  get loss(): LockLostError | undefined {
    if (!this.#left) this.#checkClock();
    return this.#loss;
  }

  /** Whether {@link release} was called. */
  get isReleased(): boolean {
    return this.#left !== undefined;
  }

  isHeld(): boolean {
    return !this.#left && !this.loss;
  }

  assertHeld(): void {
    const { loss } = this;
    if (loss) throw loss;
    if (this.#left) throw new LockLostError(`${this.#deps.label} is not held any more: it was released`);
  }

  ttl(): Promise<number> {
    const remaining = Math.min(this.#place.session.remaining(), this.#mayHoldFor());
    return Promise.resolve(this.isHeld() ? Math.floor(remaining) : 0);
  }

  guard(): readonly Compare[] {
    return this.#place.keys.map((key) => ({ key, target: 'create', value: this.#place.revision }));
  }

  async release(): Promise<void> {
    await this.leave();
  }

  unlock(): Promise<void> {
    return this.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
  }

  /** Has a close wait for `work` before it gives the lock to another. */
  during<T>(work: Promise<T>): Promise<T> {
    this.#place.work = work;
    return work;
  }

  /** Releases, and tells whether etcd still had the lock as ours; `undefined` if nobody could say. */
  leave(): Promise<boolean | undefined> {
    if (!this.#left) {
      this.#checkClock();
      this.#cancelMaxHold?.();
      this.#left = this.#deps.leave(this.#place);
      this.#place.listen(undefined);
    }
    return this.#left;
  }

  /** A timer may fire a millisecond early: then the rest is waited for. */
  #watchMaxHold(): void {
    this.#cancelMaxHold = this.#deps.clock.after(Math.max(1, this.#mayHoldFor()), () => {
      if (!this.#left && !this.loss) this.#watchMaxHold();
    });
  }

  #mayHoldFor(): number {
    const { clock, maxHold } = this.#deps;
    return this.#since + maxHold - clock.now();
  }

  #checkClock(): void {
    const reason = this.#place.endReason;
    if (reason) this.#lose(reason.message, reason);
    else if (this.#mayHoldFor() <= 0)
      this.#lose(`it was held longer than maxHold (${this.#deps.maxHold} ms)`);
  }

  #lose(why: string, cause?: Error): void {
    if (this.#loss || this.#left) return;
    this.#cancelMaxHold?.();
    this.#loss = new LockLostError(
      `${this.#deps.label} is lost: ${why}`,
      cause && !(cause instanceof LockLostError) ? { cause } : undefined,
    );
    this.#abort?.abort(this.#loss);
  }
}
