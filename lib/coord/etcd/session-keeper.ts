import { ClosedError } from '../../errors/closed.error.js';
import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { Backoff, pause } from './backoff.js';
import type { Clock } from './clock.js';
import type { Connection } from './connection.js';
import type { CoordLogger } from './coord-logger.js';
import { budgetOf, type CallOptions } from './etcd.options.js';
import type { Generation } from './generation.js';
import { inBackground } from './in-background.js';
import type { KeepAliveStream } from './keep-alive-stream.js';
import { type Instant, instant } from './lease-deadline.js';
import { aborted } from './on-abort.js';
import { insistOnRevoking, revokeLease } from './revoke-lease.js';
import { RpcFailure } from './rpc-failure.js';
import { Session } from './session.js';
import { Waiters } from './waiters.js';

/** Keys are put back within this; then the lease before is revoked whether or not all were. */
const PUT_BACK_LIMIT = 10_000;

type SessionListener = (session: Session) => unknown;

/** A lost session whose lease may outlive it. */
interface Lapsed {
  readonly session: Session;
  readonly stopRenewing: () => void;
}

export interface SessionKeeperDeps {
  readonly connection: Connection;
  readonly keepAliveOf: (generation: Generation) => KeepAliveStream;
  /** Ties a key to the session, and calls `lost` when somebody deletes it; returns the closing function. */
  readonly guard: (session: Session, lost: (why: string) => void) => () => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: CoordLogger;
  readonly requestTimeout: number;
}

/**
 * Keeps one live {@link Session} of a TTL for all who share it: grants it when first asked for, renews it every TTL/3
 * and at once on each new connection, and replaces it when it is lost.
 *
 * The lease of a lost session may outlive it (etcd extends leases when it restarts, and our deadline is the earlier one).
 * So the old lease is renewed on: its keys stay until their owners have put them under the new lease. Then it is
 * revoked, and takes with it what nobody put back, such as the places of lost locks.
 */
export class SessionKeeper {
  /** The TTL asked for, in ms. */
  readonly ttl: number;
  readonly #deps: SessionKeeperDeps;
  readonly #listeners = new Set<SessionListener>();
  readonly #waiters: Waiters<Session>;
  readonly #closing = new AbortController();
  #current: Session | undefined;
  readonly #lapsed = new Set<Lapsed>();
  #started = false;

  constructor(ttl: number, deps: SessionKeeperDeps) {
    this.ttl = ttl;
    this.#deps = deps;
    this.#waiters = new Waiters(deps.clock);
  }

  /** The live session, if there is one now. */
  get live(): Session | undefined {
    return this.#current?.isAlive() ? this.#current : undefined;
  }

  /** The live session, or the next one; rejects with {@link CoordUnavailableError} when the budget ends. */
  acquire(options: CallOptions = {}): Promise<Session> {
    const { signal } = options;
    const timeout = budgetOf(options, this.#deps.requestTimeout);
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason as Error);
    this.#start();
    const { live } = this;
    if (live) return Promise.resolve(live);
    return this.#waiters.wait(
      { timeout, ...(signal && { signal }) },
      () => new CoordUnavailableError(`etcd granted no lease within ${Math.round(timeout)} ms`),
    );
  }

  /**
   * Calls `listener` with the live session, if any, and with each that replaces a lost one: the place to put keys back.
   * The lease before is kept until the promise that it returns settles. Returns the unsubscribing function.
   */
  onSession(listener: SessionListener): () => void {
    this.#listeners.add(listener);
    if (!this.#closing.signal.aborted) this.#start();
    const { live } = this;
    if (live) void this.#tell(listener, live);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Revokes the lease, unless somebody retains it, and with it all that hangs on it; those of lost sessions too. Waits for
   * etcd at most `timeout` ms. Idempotent.
   */
  async close(timeout: number): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new ClosedError('the session keeper was closed'));
    this.#listeners.clear();
    this.#waiters.reject(this.#closing.signal.reason);
    const sessions = [...this.#lapsed].map(({ session }) => session);
    for (const { stopRenewing } of this.#lapsed) stopRenewing();
    if (this.#current) sessions.push(this.#current);
    this.#current?.lose('it was closed');
    this.#current = undefined;
    const limit = new AbortController();
    const cancelTimer = this.#deps.clock.after(timeout, () => limit.abort(), { hold: true });
    await Promise.all(
      sessions
        .filter(({ isRetained }) => !isRetained)
        .map(({ leaseId }) => insistOnRevoking(leaseId, limit.signal, this.#deps)),
    );
    cancelTimer();
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    inBackground(() => void this.#run());
  }

  async #run(): Promise<void> {
    const { connection, clock, random, logger, requestTimeout } = this.#deps;
    const closing = this.#closing.signal;
    const backoff = new Backoff({ first: 100, most: 1_000 }, random);
    let before: Lapsed | undefined;
    while (!closing.aborted && !connection.closing.aborted) {
      try {
        const generation = await connection.whenLive({ timeout: Infinity, signal: closing });
        const session = await this.#grant(generation);
        if (closing.aborted) {
          session.lose('it was closed');
          return void revokeLease(generation, session.leaseId, requestTimeout);
        }
        backoff.reset();
        if (before)
          logger.info('session replaced', { lease: session.leaseHex, before: before.session.leaseHex });
        await this.#live(session, before);
        if (closing.aborted) return;
        before = { session, stopRenewing: this.#keepAlive(session) };
        this.#lapsed.add(before);
        logger.warn('session lost', {
          lease: session.leaseHex,
          reason: (session.signal.reason as Error).message,
        });
      } catch (error) {
        if (closing.aborted) return;
        if (!(error instanceof RpcFailure)) this.#waiters.reject(error);
        else if (error.fate === 'refused') this.#waiters.reject(error.toRefusal());
        await pause(clock, backoff.next(), closing);
      }
    }
  }

  async #grant(generation: Generation): Promise<Session> {
    const { clock, requestTimeout } = this.#deps;
    const sent = instant(clock);
    try {
      const { ID, TTL } = await generation.unary(
        (rpc, options) => rpc.lease.leaseGrant({ TTL: Math.ceil(this.ttl / 1_000), ID: 0 }, options),
        requestTimeout,
        this.#closing.signal,
      );
      const session = new Session(BigInt(ID), sent, Number(TTL) * 1_000, clock);
      if (session.isAlive()) return session;
      void revokeLease(generation, session.leaseId, requestTimeout);
    } catch (error) {
      if (error instanceof RpcFailure && error.doubt) generation.drop(error);
      throw error;
    }
    // The lease may live, but nobody can prove it, so nobody is told of it.
    throw new RpcFailure(new Error('14 UNAVAILABLE: the grant of a lease was answered too late'));
  }

  /** The life of one session: told to all, renewed, guarded; ends when it is lost or the keeper is closed. */
  async #live(session: Session, before: Lapsed | undefined): Promise<void> {
    // Before anything else: it may be lost while others are told of it.
    const lost = aborted(session.signal);
    this.#current = session;
    this.#waiters.resolve(session);
    const putBack = Promise.all([...this.#listeners].map((listener) => this.#tell(listener, session)));
    if (before) void this.#retire(before, putBack);
    const stopRenewing = this.#keepAlive(session, (sent, ttl) => {
      if (ttl > 0) session.extend(sent, ttl * 1_000);
      else session.lose('etcd says that the lease is gone');
    });
    const closeGuard = this.#deps.guard(session, (why) => session.lose(why));
    await lost;
    stopRenewing();
    closeGuard();
    if (this.#current === session) this.#current = undefined;
  }

  /**
   * Has the lease renewed on each new connection and every third of its TTL; `answered` gets the TTL granted in seconds,
   * 0 if the lease is gone. Left unanswered for TTL/4 after TTL/3, it leaves a third of the TTL to be renewed with another
   * member. Returns what ends it.
   */
  #keepAlive({ leaseId, ttl }: Session, answered?: (sent: Instant, ttl: number) => void): () => void {
    const { connection, clock, keepAliveOf } = this.#deps;
    const renew = (generation: Generation | undefined): void => {
      if (!generation) return;
      const sent = instant(clock);
      keepAliveOf(generation).renew(leaseId, ttl / 4, (granted) => answered?.(sent, granted));
    };
    let cancelTimer = (): void => undefined;
    const wait = (): void => {
      cancelTimer = clock.after(ttl / 3, () => {
        renew(connection.live);
        wait();
      });
    };
    wait();
    const stopFollowing = connection.onGeneration(renew);
    return () => {
      cancelTimer();
      stopFollowing();
    };
  }

  async #tell(listener: SessionListener, session: Session): Promise<void> {
    try {
      await listener(session);
    } catch (error) {
      this.#deps.logger.error('keys were not put back', { lease: session.leaseHex, err: error });
    }
  }

  async #retire(lapsed: Lapsed, putBack: Promise<unknown>): Promise<void> {
    const { clock } = this.#deps;
    const closing = this.#closing.signal;
    const done = new AbortController();
    void putBack.then(() => done.abort());
    await pause(clock, PUT_BACK_LIMIT, AbortSignal.any([done.signal, closing]));
    lapsed.stopRenewing();
    // What must rest for a while rests on its lease, which nobody renews any more.
    if (!lapsed.session.isRetained) await insistOnRevoking(lapsed.session.leaseId, closing, this.#deps);
    this.#lapsed.delete(lapsed);
  }
}
