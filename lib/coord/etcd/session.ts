import { SessionLostError } from '../../errors/session-lost.error.js';
import type { Clock } from './clock.js';
import { type Instant, LeaseDeadline } from './lease-deadline.js';

/**
 * How often the deadline is looked at, in ms. A machine that was suspended wakes up with its timers late by the time it slept:
 * they run on the clock that stood still.
 */
const LOOK = 1_000;

/**
 * One lease, one life. While {@link isAlive} says so, no other client can be given the keys that hang on it; the signal
 * aborts before etcd can take them away. A lost session stays lost: its {@link SessionKeeper} begins another.
 */
export class Session {
  readonly leaseId: bigint;
  /** The lease as etcd's tools write it. */
  readonly leaseHex: string;
  /** Aborts with a {@link SessionLostError} when the lease is gone, or can no longer be proven alive. */
  readonly signal: AbortSignal;
  readonly #deadline: LeaseDeadline;
  readonly #clock: Clock;
  readonly #abort = new AbortController();
  #cancelTimer: () => void = () => undefined;
  #lost = false;
  #retained = 0;

  /** @param sent when the grant was asked for; @param ttl what was granted, in ms */
  constructor(leaseId: bigint, sent: Instant, ttl: number, clock: Clock) {
    this.leaseId = leaseId;
    this.leaseHex = leaseId.toString(16);
    this.signal = this.#abort.signal;
    this.#clock = clock;
    this.#deadline = new LeaseDeadline(clock, sent, ttl);
    this.#watchDeadline();
  }

  /** The TTL that etcd granted, in ms; it may be more than was asked for. */
  get ttl(): number {
    return this.#deadline.ttl;
  }

  /** Reads the clocks: right also after a long synchronous block or a pause, when no timer has run yet. */
  isAlive(): boolean {
    return this.remaining() > 0;
  }

  /** Milliseconds until the session must be considered lost; 0 when it is. */
  remaining(): number {
    if (this.#lost) return 0;
    const remaining = this.#deadline.remaining();
    if (remaining === 0) this.lose('its renewal was not confirmed in time');
    return remaining;
  }

  /** @throws SessionLostError if the session is not provably alive */
  assertAlive(): void {
    if (!this.isAlive()) throw this.#abort.signal.reason;
  }

  /** A renewal sent at `sent` was answered with `ttl` ms. Comes too late for a session already lost. */
  extend(sent: Instant, ttl: number): void {
    if (!this.isAlive()) return;
    this.#deadline.extend(sent, ttl);
    this.#watchDeadline();
  }

  /**
   * Something on the lease must not be free at once when this process ends: a close leaves the lease to its TTL instead of
   * revoking it. Returns what takes that back, once.
   */
  retain(): () => void {
    this.#retained++;
    let retains = true;
    return () => {
      if (retains) this.#retained--;
      retains = false;
    };
  }

  get isRetained(): boolean {
    return this.#retained > 0;
  }

  /** Ends the session. Idempotent. */
  lose(why: string): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#cancelTimer();
    this.#abort.abort(new SessionLostError(`the session on lease ${this.leaseHex} is lost: ${why}`));
  }

  #watchDeadline(): void {
    this.#cancelTimer();
    // A timer may fire a millisecond early; then remaining() is not 0 yet, and the rest is waited for.
    const wait = Math.max(1, Math.min(LOOK, this.#deadline.remaining()));
    this.#cancelTimer = this.#clock.after(wait, () => {
      if (this.isAlive()) this.#watchDeadline();
    });
  }
}
