import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { EtcdRefusedError } from '../../errors/etcd-refused.error.js';
import { OutcomeUnknownError } from '../../errors/outcome-unknown.error.js';
import { SessionLostError } from '../../errors/session-lost.error.js';
import type { Clock } from '../etcd/clock.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { OpResult, Txn } from '../etcd/kv.js';
import type { Session } from '../etcd/session.js';
import { type Deadline, TimeIsUp } from './deadline.js';
import type { Departures } from './departures.js';
import { Place } from './place.js';
import type { QueueLayout } from './queue-layout.js';
import type { QueueRequest } from './queue-request.js';
import { closedError, timeoutError, unavailableError } from './queue.messages.js';
import { resolveTxn, tryTxn, isAdmitted } from './queue-txn.js';
import { SessionPlaces } from './session-places.js';

/** An attempt that is not answered within this, in ms, is settled by reading: see {@link resolveTxn}. */
const ATTEMPT = 2_000;

/** Makes the transaction that takes a place. */
type BuildTxn = (place: Place, withdrawn: string) => Txn;

export interface ArrivalsDeps {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly layout: QueueLayout;
  readonly departures: Departures;
}

/**
 * Takes places in queues, each on the shared session of its TTL, in a slot of its own.
 *
 * An attempt is sent once. If its answer is lost, it is settled by a second transaction that either finds the place or
 * makes sure that it can never be taken: nothing is guessed, and nothing is left behind.
 */
export class Arrivals {
  readonly #deps: ArrivalsDeps;
  readonly #sessions = new WeakMap<Session, SessionPlaces>();
  readonly #places = new Set<Place>();
  #closed = false;

  constructor(deps: ArrivalsDeps) {
    this.#deps = deps;
  }

  /** All that are not done with. */
  get places(): ReadonlySet<Place> {
    return this.#places;
  }

  /** Takes a place; `null` if a try found somebody else there. Leaves nothing behind when it rejects. */
  async enqueue(request: QueueRequest, deadline: Deadline, build: BuildTxn): Promise<Place | null> {
    const { client, clock, departures } = this.#deps;
    for (;;) {
      const places = await this.#session(request.ttl, deadline);
      const { session } = places;
      const slots = request.queues.map((queue) => places.takeSlot(queue));
      const place = new Place(request, session, slots, places.nextAttempt());
      places.all.add(place);
      this.#places.add(place);
      const sent = clock.now();
      try {
        const result = await this.#attempt(place, deadline, build);
        if (result) {
          place.revision = result.revision;
          if (isAdmitted(place, result.heads)) place.admit();
          if (!this.#closed) return place;
          await departures.leave(place);
          throw closedError();
        }
        this.gone(place);
        if (build === tryTxn) return null;
      } catch (error) {
        if (error instanceof SessionLostError) continue;
        const early = clock.now() - sent < ATTEMPT / 2;
        if (error instanceof CoordUnavailableError && deadline.remaining() > 0 && !early) continue;
        if (error instanceof TimeIsUp && client.status === 'ready') throw timeoutError(request, deadline);
        throw error instanceof TimeIsUp || error instanceof OutcomeUnknownError
          ? unavailableError(request, deadline, error)
          : error;
      }
    }
  }

  /** The place is done with: its slots can be used again, under this session if that lives on. Whether it was here. */
  gone(place: Place): boolean {
    if (!this.#places.delete(place)) return false;
    const places = this.#sessions.get(place.session)!;
    places.all.delete(place);
    if (!place.withdrawn) {
      place.request.queues.forEach((queue, index) => places.freeSlot(queue, place.slots[index]!));
    }
    return true;
  }

  /** Nobody arrives any more. */
  close(): void {
    this.#closed = true;
  }

  /** One attempt; `undefined` if it took no place. Whatever it rejects with, the place is taken care of. */
  async #attempt(
    place: Place,
    deadline: Deadline,
    build: BuildTxn,
  ): Promise<{ revision: bigint; heads: readonly OpResult[] } | undefined> {
    const { client, departures, layout } = this.#deps;
    const { session, keys } = place;
    const withdrawn = layout.withdrawn(session.leaseId, place.attempt);
    try {
      const { succeeded, revision, results } = await deadline.call(ATTEMPT, (call) =>
        client.commit(build(place, withdrawn), { ...call, session, unordered: true }),
      );
      return succeeded ? { revision, heads: results.slice(keys.length) } : undefined;
    } catch (error) {
      if (isNothingWritten(error)) this.gone(place);
      else if (!(error instanceof OutcomeUnknownError)) departures.withdraw(place);
      if (!(error instanceof OutcomeUnknownError)) throw asSessionLoss(error, session);
    }
    try {
      const { succeeded, results } = await deadline.call(2 * ATTEMPT, (call) =>
        client.commit(resolveTxn(place, withdrawn), {
          ...call,
          session,
          idempotent: true,
          unordered: true,
        }),
      );
      const [own, ...heads] = results;
      return succeeded ? { revision: own!.kvs[0]!.createRevision, heads } : undefined;
    } catch (error) {
      departures.withdraw(place);
      throw asSessionLoss(error, session);
    }
  }

  async #session(ttl: number, deadline: Deadline): Promise<SessionPlaces> {
    if (this.#closed) throw closedError();
    const { signal } = deadline;
    const session = await this.#deps.client
      .sessions(ttl)
      .acquire({ timeout: deadline.remaining(), ...(signal && { signal }) });
    if (this.#closed) throw closedError();
    let places = this.#sessions.get(session);
    if (!places) this.#sessions.set(session, (places = new SessionPlaces(session)));
    return places;
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
