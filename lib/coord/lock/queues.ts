import { ClosedError } from '../../errors/closed.error.js';
import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { EtcdRefusedError } from '../../errors/etcd-refused.error.js';
import { LockLostError } from '../../errors/lock-lost.error.js';
import { LockTimeoutError } from '../../errors/lock-timeout.error.js';
import { OutcomeUnknownError } from '../../errors/outcome-unknown.error.js';
import { SessionLostError } from '../../errors/session-lost.error.js';
import { type Clock, systemClock } from '../etcd/clock.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { OpResult, Txn } from '../etcd/kv.js';
import type { Session } from '../etcd/session.js';
import { Deadline, TimeIsUp } from './deadline.js';
import { Departures } from './departures.js';
import { Oversight } from './oversight.js';
import { Place, type PlaceRequest } from './place.js';
import type { QueueLayout } from './queue-layout.js';
import { enqueueTxn, isAdmitted, resolveTxn, tryTxn } from './queue-txn.js';
import { QueueWatches } from './queue-watches.js';
import { SessionPlaces } from './session-places.js';

/** An attempt that is not answered within this, in ms, is settled by reading: see {@link resolveTxn}. */
const ATTEMPT = 2_000;
/** How long whoever gives up waits for its place to be cleared before it says so, in ms. */
const CLEAR_UP = 250;

export interface QueuesDeps {
  readonly client: EtcdClient;
  readonly logger: CoordLogger;
  readonly clock?: Clock;
}

/** What a task wants to hold. */
export interface QueueRequest extends PlaceRequest {
  /** What it is called in errors, for example `the lock "order:42"`. */
  readonly label: string;
  /** The TTL of the session, in ms. */
  readonly ttl: number;
}

/**
 * The queues below one root of etcd, as this process takes part in them: exact first come, first served over all tasks
 * of all processes, on the shared session of a TTL.
 *
 * An attempt is sent once. If its answer is lost, it is settled by a second transaction that either finds the place or
 * makes sure that it can never be taken: nothing is guessed, and nothing is left behind.
 */
export class Queues {
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #layout: QueueLayout;
  readonly #sessions = new WeakMap<Session, SessionPlaces>();
  readonly #places = new Set<Place>();
  readonly #watches: QueueWatches;
  readonly #oversight: Oversight;
  readonly #departures: Departures;
  #closed = false;

  constructor({ client, logger, clock = systemClock }: QueuesDeps, layout: QueueLayout) {
    this.#client = client;
    this.#clock = clock;
    this.#layout = layout;
    this.#watches = new QueueWatches(client, clock);
    const deleted = (place: Place): void => place.end(new LockLostError('its key was deleted in etcd'));
    this.#oversight = new Oversight({
      client,
      clock,
      watch: (place) => this.#watches.follow(place, true),
      deleted,
    });
    this.#departures = new Departures({ client, logger, clock, layout }, (place, confirmed) =>
      this.#gone(place, confirmed),
    );
  }

  deadline(timeout: number, signal?: AbortSignal): Deadline {
    return new Deadline(timeout, signal, this.#clock);
  }

  /** Queues up and waits until the place is admitted. Leaves nothing behind when it rejects. */
  async enter(request: QueueRequest, deadline: Deadline): Promise<Place> {
    for (;;) {
      const place = (await this.#enqueue(request, deadline, enqueueTxn))!;
      if (place.isHeld) {
        this.#oversight.add(place);
        return place;
      }
      try {
        await this.#admission(place, deadline);
        return place;
      } catch (error) {
        const lost = place.endReason;
        const left = this.leave(place);
        // Lost its session or its key while waiting: back into the queue, with the time that is left.
        if (lost && !this.#closed && deadline.remaining() > 0) continue;
        await this.#briefly(left);
        throw error instanceof TimeIsUp ? timeoutError(request, deadline) : error;
      }
    }
  }

  /** Takes the place if it is free now, else `null`, which costs one call and makes no revision. */
  async tryEnter(request: QueueRequest, deadline: Deadline): Promise<Place | null> {
    const { admission } = request;
    const exclusive = admission.limit === 1 && !admission.shared;
    if (!exclusive && !(await this.#watches.looksFree(request.queues, admission, deadline))) return null;
    const place = await this.#enqueue(request, deadline, exclusive ? tryTxn : enqueueTxn);
    if (place?.isHeld) this.#oversight.add(place);
    else if (place) await this.leave(place);
    return place?.isHeld ? place : null;
  }

  /**
   * Gives the place up; resolves with whether etcd still had it (`undefined`: nobody could say). If etcd is away it
   * resolves after a while, and goes on trying behind the scenes until the session has ended. Idempotent.
   *
   * @param span keeps the next one waiting for so many ms more, whatever becomes of this process
   */
  async leave(place: Place, span = 0): Promise<boolean | undefined> {
    this.#oversight.remove(place);
    this.#watches.unfollow(place);
    return span > 0 ? this.#departures.linger(place, span) : this.#departures.leave(place);
  }

  /** Every wait ends with {@link ClosedError}, every place is left; waits for etcd at most `timeout` ms. Idempotent. */
  async close(timeout: number): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      const left = [...this.#places].map((place) => {
        place.end(closedError());
        return this.leave(place);
      });
      this.#oversight.close();
      await this.#briefly(
        Promise.all(left).then(() => this.#departures.settled()),
        timeout,
      );
    }
    this.#departures.close();
    this.#watches.close();
  }

  async #enqueue(
    request: QueueRequest,
    deadline: Deadline,
    build: (place: Place, withdrawn: string) => Txn,
  ): Promise<Place | null> {
    for (;;) {
      const places = await this.#session(request.ttl, deadline);
      const { session } = places;
      const slots = request.queues.map((queue) => places.takeSlot(queue));
      const place = new Place(request, session, slots, places.nextAttempt());
      places.all.add(place);
      this.#places.add(place);
      const sent = this.#clock.now();
      try {
        const result = await this.#attempt(place, deadline, build);
        if (result) {
          place.revision = result.revision;
          if (isAdmitted(place, result.heads)) place.admit();
          if (!this.#closed) return place;
          await this.leave(place);
          throw closedError();
        }
        this.#gone(place);
        if (build === tryTxn) return null;
      } catch (error) {
        if (error instanceof SessionLostError) continue;
        const early = this.#clock.now() - sent < ATTEMPT / 2;
        if (error instanceof CoordUnavailableError && deadline.remaining() > 0 && !early) continue;
        if (error instanceof TimeIsUp && this.#client.status === 'ready')
          throw timeoutError(request, deadline);
        throw error instanceof TimeIsUp || error instanceof OutcomeUnknownError
          ? unavailableError(request, deadline, error)
          : error;
      }
    }
  }

  /** One attempt; `undefined` if it took no place. Whatever it rejects with, the place is taken care of. */
  async #attempt(
    place: Place,
    deadline: Deadline,
    build: (place: Place, withdrawn: string) => Txn,
  ): Promise<{ revision: bigint; heads: readonly OpResult[] } | undefined> {
    const { session, keys } = place;
    const withdrawn = this.#layout.withdrawn(session.leaseId, place.attempt);
    try {
      const { succeeded, revision, results } = await deadline.call(ATTEMPT, (call) =>
        this.#client.commit(build(place, withdrawn), { ...call, session, unordered: true }),
      );
      return succeeded ? { revision, heads: results.slice(keys.length) } : undefined;
    } catch (error) {
      if (isNothingWritten(error)) this.#gone(place);
      else if (!(error instanceof OutcomeUnknownError)) this.#departures.withdraw(place);
      if (!(error instanceof OutcomeUnknownError)) throw asSessionLoss(error, session);
    }
    try {
      const { succeeded, results } = await deadline.call(2 * ATTEMPT, (call) =>
        this.#client.commit(resolveTxn(place, withdrawn), {
          ...call,
          session,
          idempotent: true,
          unordered: true,
        }),
      );
      const [own, ...heads] = results;
      return succeeded ? { revision: own!.kvs[0]!.createRevision, heads } : undefined;
    } catch (error) {
      this.#departures.withdraw(place);
      throw asSessionLoss(error, session);
    }
  }

  /** Resolves when the place is admitted; rejects when it is lost, or the caller's time or patience is over. */
  #admission(place: Place, deadline: Deadline): Promise<void> {
    const { signal } = deadline;
    return new Promise<void>((resolve, reject) => {
      const timeUp = (): void => settle(() => reject(new TimeIsUp()));
      // Who waits for ever holds no process that has nothing else to do.
      const hold = deadline.timeout !== Infinity;
      const cancelTimer = this.#clock.after(deadline.remaining(), timeUp, { hold });
      const onAbort = (): void => settle(() => reject(signal!.reason as Error));
      const settle = (finish: () => void): void => {
        cancelTimer();
        signal?.removeEventListener('abort', onAbort);
        place.listen(undefined);
        finish();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      place.listen({ admitted: () => settle(resolve), lost: (reason) => settle(() => reject(reason)) });
      if (signal?.aborted) onAbort();
      else this.#watches.follow(place, false);
    });
  }

  async #session(ttl: number, deadline: Deadline): Promise<SessionPlaces> {
    if (this.#closed) throw closedError();
    const { signal } = deadline;
    const session = await this.#client
      .sessions(ttl)
      .acquire({ timeout: deadline.remaining(), ...(signal && { signal }) });
    if (this.#closed) throw closedError();
    let places = this.#sessions.get(session);
    if (!places) this.#sessions.set(session, (places = new SessionPlaces(session)));
    return places;
  }

  /**
   * The place is done with: its slots can be used again, under this session if that lives on.
   *
   * @param confirmed etcd has said that its keys are gone: whoever waits here need not wait for the event
   */
  #gone(place: Place, confirmed = false): void {
    if (!this.#places.delete(place)) return;
    const places = this.#sessions.get(place.session)!;
    places.all.delete(place);
    place.request.queues.forEach((queue, index) => {
      places.freeSlot(queue, place.slots[index]!);
      if (confirmed && place.revision > 0n) this.#watches.removed(queue, place.keys[index]!, place.revision);
    });
  }

  /** What must not hold up the caller for long is waited for briefly, and goes on by itself. */
  #briefly(work: Promise<unknown>, limit = CLEAR_UP): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(limit, resolve, { hold: true });
      void work.finally(() => (cancel(), resolve()));
    });
  }
}

/** etcd knows before our session does that its lease is gone. */
function asSessionLoss(error: unknown, session: Session): unknown {
  if (!(error instanceof EtcdRefusedError) || !error.reason.includes('lease not found')) return error;
  session.lose('etcd says that the lease is gone');
  return session.signal.reason;
}

function isNothingWritten(error: unknown): boolean {
  return (
    error instanceof CoordUnavailableError ||
    error instanceof SessionLostError ||
    error instanceof EtcdRefusedError
  );
}

function timeoutError({ label }: QueueRequest, { timeout }: Deadline): LockTimeoutError {
  return new LockTimeoutError(`${label} was not free within ${Math.round(timeout)} ms`);
}

function unavailableError(
  { label }: QueueRequest,
  { timeout }: Deadline,
  cause: Error,
): CoordUnavailableError {
  return new CoordUnavailableError(
    `etcd could not be asked for ${label} within ${Math.round(timeout)} ms; nothing is held`,
    { cause },
  );
}

function closedError(): ClosedError {
  return new ClosedError('the lock service was closed');
}
