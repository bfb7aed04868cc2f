import { ClosedError } from '../../errors/closed.error.js';
import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { EtcdRefusedError } from '../../errors/etcd-refused.error.js';
import { OutcomeUnknownError } from '../../errors/outcome-unknown.error.js';
import { SessionLostError } from '../../errors/session-lost.error.js';
import type { Clock } from '../etcd/clock.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { Txn } from '../etcd/kv.js';
import type { Session } from '../etcd/session.js';
import { CallerAborted, CallerLeft } from './caller-left.js';
import type { Deadline } from './deadline.js';
import type { Departures } from './departures.js';
import { Place } from './place.js';
import type { QueueLayout } from './queue-layout.js';
import type { QueueRequest } from './queue-request.js';
import { closedError, leftError, unavailableError } from './queue.messages.js';
import { tryTxn } from './queue-txn.js';
import { SessionPlaces } from './session-places.js';
import { settle } from './settle.js';

/** An attempt that is not answered within this, in ms, is settled by reading: see {@link settle}. */
const ATTEMPT = 2_000;
/** The longest that an attempt and its settlement take, in ms. */
const LONGEST = 3 * ATTEMPT;

/** Makes the transaction that takes a place. */
type BuildTxn = (place: Place) => Txn;

/** `void`: etcd neither gave the place nor said no; another attempt may get one. */
type Outcome = 'taken' | 'refused' | 'void';

export interface ArrivalsDeps {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly layout: QueueLayout;
  readonly departures: Departures;
}

/**
 * Takes places in queues, each on the shared session of its TTL, in a slot of its own.
 *
 * An attempt is sent once, and its outcome is always learnt, whether or not the caller waits for it: a place that nobody
 * wants any more is left. If the answer is lost, a second transaction finds the place, or makes sure that it can never
 * be taken: nothing is guessed, and nothing is left behind.
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
      const begun = clock.now();
      let place: Place | undefined;
      try {
        deadline.check();
        if (this.#closed) throw closedError();
        const session = client.sessions(request.ttl).live ?? (await this.#nextSession(request.ttl, deadline));
        const made = (place = this.#place(request, session));
        const outcome = await deadline.wait(LONGEST, (left) => {
          const taking = this.#take(made, build, left);
          made.taking = taking;
          return taking;
        });
        made.taking = undefined;
        if (outcome === 'taken') {
          if (!this.#closed) return place;
          await departures.leave(place);
          throw closedError();
        }
        if (outcome === 'refused' && build === tryTxn) return null;
      } catch (error) {
        if (error instanceof CallerLeft) {
          if (place) departures.abandon(place);
          throw leftError(error, request, deadline, client);
        }
        if (error instanceof SessionLostError) continue;
        const early = clock.now() - begun < ATTEMPT / 2;
        const away = error instanceof CoordUnavailableError || error instanceof OutcomeUnknownError;
        if (away && deadline.remaining() > 0 && !early) continue;
        throw error instanceof OutcomeUnknownError ? unavailableError(request, deadline, error) : error;
      }
    }
  }

  /** The place is done with: its slots can be used again, under this session if that lives on. Whether it was here. */
  gone(place: Place): boolean {
    if (!this.#places.delete(place)) return false;
    if (!place.slotsSpent) {
      const places = this.#sessions.get(place.session)!;
      place.request.queues.forEach((queue, index) => places.freeSlot(queue, place.slots[index]!));
    }
    return true;
  }

  /** Nobody arrives any more. */
  close(): void {
    this.#closed = true;
  }

  #place(request: QueueRequest, session: Session): Place {
    const places = this.#placesOf(session);
    const slots = request.queues.map((queue) => places.takeSlot(queue));
    const place = new Place(request, session, slots, places.epoch);
    this.#places.add(place);
    return place;
  }

  /** One attempt, to its very end. Unless it is `taken`, the place is taken care of, also when it rejects. */
  async #take(place: Place, build: BuildTxn, left: AbortSignal | undefined): Promise<Outcome> {
    const { client, departures } = this.#deps;
    const { session, epoch, keys } = place;
    try {
      const { succeeded, revision, results } = await client.commit(build(place), {
        timeout: ATTEMPT,
        session,
        unordered: true,
        ...(left && { signal: left, abortUnsentOnly: true }),
      });
      if (succeeded) {
        place.taken(revision, results.slice(keys.length));
        return 'taken';
      }
      epoch.current = results[0]?.kvs[0]?.modRevision ?? 0n;
      const refused = epoch.current === place.sentIn;
      // A slot that was thought free is not.
      if (refused && build !== tryTxn) place.slotsSpent = true;
      this.gone(place);
      return refused ? 'refused' : 'void';
    } catch (error) {
      if (isNothingWritten(error)) {
        this.gone(place);
        throw asSessionLoss(error, session);
      }
    }
    try {
      if (await settle(client, place, LONGEST - ATTEMPT)) return 'taken';
    } catch (error) {
      departures.withdraw(place);
      throw asSessionLoss(error, session);
    }
    this.gone(place);
    return 'void';
  }

  async #nextSession(ttl: number, deadline: Deadline): Promise<Session> {
    const { signal } = deadline;
    const options = { timeout: deadline.remaining(), ...(signal && { signal }) };
    let session: Session;
    try {
      session = await this.#deps.client.sessions(ttl).acquire(options);
    } catch (error) {
      throw signal?.aborted ? new CallerAborted(signal.reason) : error;
    }
    if (this.#closed) throw closedError();
    return session;
  }

  #lost(session: Session): void {
    for (const place of this.#places)
      if (place.session === session) place.end(session.signal.reason as Error);
  }

  #placesOf(session: Session): SessionPlaces {
    let places = this.#sessions.get(session);
    if (!places) {
      places = new SessionPlaces(this.#deps.layout.epoch(session.leaseHex));
      this.#sessions.set(session, places);
      session.signal.addEventListener('abort', () => this.#lost(session), { once: true });
    }
    return places;
  }
}

/** etcd knows before our session does that its lease is gone. */
function asSessionLoss(error: unknown, session: Session): unknown {
  if (!(error instanceof EtcdRefusedError) || !error.reason.includes('lease not found')) return error;
  session.lose('etcd says that the lease is gone');
  return session.signal.reason;
}

/** Of an attempt: its caller left, or the connection closed, before it was sent; or it provably did not run. */
function isNothingWritten(error: unknown): boolean {
  return (
    error instanceof CallerLeft ||
    error instanceof ClosedError ||
    error instanceof CoordUnavailableError ||
    error instanceof SessionLostError ||
    error instanceof EtcdRefusedError
  );
}
