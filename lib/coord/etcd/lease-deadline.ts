import type { Clock } from './clock.js';
import { marginOf } from './lease-margin.js';

/** A moment on both clocks. */
export interface Instant {
  readonly now: number;
  readonly wall: number;
}

export function instant(clock: Clock): Instant {
  return { now: clock.now(), wall: clock.wall() };
}

/**
 * Until when a lease can be *proven* alive: the moment at which the renewal that etcd answered was **sent**, plus the
 * TTL that it granted, minus a margin. etcd started counting later than that, so it cannot have expired the lease.
 * (C. Gray, D. Cheriton, "Leases", SOSP 1989: the holder's bound must be the earlier one.)
 *
 * The monotonic clock stands still while a machine is suspended, the wall clock does not; a deadline holds only while
 * both say so. A wall clock set forward therefore counts as time that passed; one set back by more than the TTL proves
 * nothing any more, and ends the lease as well.
 */
export class LeaseDeadline {
  readonly #clock: Clock;
  #deadline: Instant = { now: 0, wall: 0 };
  #ttl = 0;

  constructor(clock: Clock, sent: Instant, ttl: number) {
    this.#clock = clock;
    this.extend(sent, ttl);
  }

  /** The TTL last granted, in ms. */
  get ttl(): number {
    return this.#ttl;
  }

  /** @param sent when the renewal was sent; @param ttl what etcd granted, in ms */
  extend(sent: Instant, ttl: number): void {
    this.#ttl = ttl;
    const span = ttl - marginOf(ttl);
    this.#deadline = { now: sent.now + span, wall: sent.wall + span };
  }

  /** Milliseconds for which the lease is proven alive; 0 when it is not. */
  remaining(): number {
    const monotonic = this.#deadline.now - this.#clock.now();
    const wall = this.#deadline.wall - this.#clock.wall();
    if (wall - monotonic > this.#ttl) return 0;
    return Math.max(0, Math.min(monotonic, wall));
  }
}
