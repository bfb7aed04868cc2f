import { SessionLostError } from '../../errors/session-lost.error.js';
import type { Clock } from '../etcd/clock.js';
import type { Session } from '../etcd/session.js';

/** How often the deadline is looked at, in ms: see `Session`. */
const LOOK = 1_000;

/** A number that no other process has, until it is released or lost. */
export interface AllocatedId extends AsyncDisposable {
  /** From 1 to the allocator's `maxId`. */
  readonly id: number;
  /** Aborts with a `SessionLostError` long before another process can be given the number. */
  readonly signal: AbortSignal;
  /** Reads the clock: right also after a long synchronous block or a pause of the process. */
  isValid(): boolean;
  /** @throws SessionLostError if the number is not provably ours; call it where numbers are made of it */
  assertValid(): void;
  /**
   * Gives the number back; it rests in quarantine before another process gets it. Resolves once etcd has confirmed it, or
   * could not be reached for 2 s: then it is repeated in the background until the lease has ended. Never rejects. Idempotent.
   */
  release(): Promise<void>;
}

export interface HeldIdDeps {
  readonly id: number;
  readonly session: Session;
  /** The number is lost when the session has no more than this left, in ms: etcd then keeps it for as long again. */
  readonly reserve: number;
  readonly clock: Clock;
  /** Called once, when the number is released or lost: it has to go back in either case. */
  readonly ended: () => Promise<void>;
}

export class HeldId implements AllocatedId {
  readonly id: number;
  readonly #deps: HeldIdDeps;
  readonly #abort = new AbortController();
  readonly #onSessionLost = (): void => this.lose(this.#deps.session.signal.reason as Error);
  #ended: Promise<void> | undefined;
  #cancelTimer: () => void = () => undefined;

  constructor(deps: HeldIdDeps) {
    this.id = deps.id;
    this.#deps = deps;
    deps.session.signal.addEventListener('abort', this.#onSessionLost, { once: true });
    this.#watch();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  isValid(): boolean {
    if (this.#ended) return false;
    if (this.#left() > 0) return true;
    this.lose(new SessionLostError(`the id ${this.id} is lost: its renewal was not confirmed in time`));
    return false;
  }

  assertValid(): void {
    if (this.isValid()) return;
    throw this.#abort.signal.aborted
      ? (this.#abort.signal.reason as Error)
      : new SessionLostError(`the id ${this.id} was released`);
  }

  release(): Promise<void> {
    // The clock may say that it is lost by now: that is to be told.
    this.isValid();
    return this.#end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  lose(reason: Error): void {
    if (this.#ended) return;
    void this.#end();
    this.#abort.abort(reason);
  }

  #left(): number {
    return this.#deps.session.remaining() - this.#deps.reserve;
  }

  #watch(): void {
    // A renewal moves the deadline, and timers are late by what the machine slept: so the clock is asked again.
    this.#cancelTimer = this.#deps.clock.after(Math.max(1, Math.min(LOOK, this.#left())), () => {
      if (this.isValid()) this.#watch();
    });
  }

  #end(): Promise<void> {
    if (!this.#ended) {
      this.#cancelTimer();
      this.#deps.session.signal.removeEventListener('abort', this.#onSessionLost);
      this.#ended = this.#deps.ended();
    }
    return this.#ended;
  }
}
