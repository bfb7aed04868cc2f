import { LockLostError } from '../../errors/lock-lost.error.js';
import { type Clock, systemClock } from '../etcd/clock.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import { Arrivals } from './arrivals.js';
import { CallerLeft } from './caller-left.js';
import { Deadline } from './deadline.js';
import { Departures } from './departures.js';
import { Oversight } from './oversight.js';
import type { Place } from './place.js';
import type { QueueLayout } from './queue-layout.js';
import type { QueueRequest } from './queue-request.js';
import { closedError, leftError } from './queue.messages.js';
import { enqueueTryTxn, enqueueTxn, tryTxn } from './queue-txn.js';
import { QueueWatches } from './queue-watches.js';

/** How long whoever gives up waits for its place to be cleared before it says so, in ms. */
const CLEAR_UP = 250;
/**
 * How long a close waits for what still runs under a place, in ms. An application has 2 s in all to end, of which leaving
 * the registry, the rooms and the connection may need 1.6 s when etcd does not answer.
 */
const LAST_WORK = 300;

export interface QueuesDeps {
  readonly client: EtcdClient;
  readonly logger: CoordLogger;
  readonly clock?: Clock;
}

/**
 * The queues below one root of etcd, as this process takes part in them: exact first come, first served over all tasks
 * of all processes, on the shared session of a TTL. Who comes is in {@link Arrivals}, who goes in {@link Departures}.
 */
export class Queues {
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #watches: QueueWatches;
  readonly #oversight: Oversight;
  readonly #departures: Departures;
  readonly #arrivals: Arrivals;
  #ended: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor({ client, logger, clock = systemClock }: QueuesDeps, layout: QueueLayout) {
    this.#client = client;
    this.#clock = clock;
    this.#watches = new QueueWatches(client, clock);
    const deleted = (place: Place): void => place.end(new LockLostError('its key was deleted in etcd'));
    this.#oversight = new Oversight({
      client,
      clock,
      watch: (place) => this.#watches.follow(place, true),
      deleted,
    });
    this.#departures = new Departures({ client, logger, clock }, (place, confirmed) =>
      this.#gone(place, confirmed),
    );
    this.#arrivals = new Arrivals({ client, clock, layout, departures: this.#departures });
  }

  deadline(timeout: number, signal?: AbortSignal): Deadline {
    return new Deadline(timeout, signal, this.#clock);
  }

  /** Queues up and waits until the place is admitted. Leaves nothing behind when it rejects. */
  async enter(request: QueueRequest, deadline: Deadline): Promise<Place> {
    for (;;) {
      const place = (await this.#arrivals.enqueue(request, deadline, enqueueTxn))!;
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
        const callerLeft = error instanceof CallerLeft;
        // Lost its session or its key while waiting: back into the queue, with the time that is left.
        if (lost && !callerLeft && !this.#ended) continue;
        await this.#briefly(left);
        if (callerLeft) throw leftError(error, request, deadline, { status: 'ready' });
        throw this.#ended ? closedError() : error;
      }
    }
  }

  /** Takes the place if it is free now, else `null`, which costs one call and makes no revision. */
  async tryEnter(request: QueueRequest, deadline: Deadline): Promise<Place | null> {
    const { admission } = request;
    const exclusive = admission.limit === 1 && !admission.shared;
    if (!exclusive && !(await this.#looksFree(request, deadline))) return null;
    for (;;) {
      const place = await this.#arrivals.enqueue(request, deadline, exclusive ? tryTxn : enqueueTryTxn);
      if (!place) return null;
      if (place.isHeld) {
        this.#oversight.add(place);
        return place;
      }
      const lost = place.endReason;
      await this.leave(place);
      // Lost with its session before the answer came: that says nothing of others.
      if (!lost) return null;
    }
  }

  /**
   * Gives the place up, or keeps the next one waiting until the place's time is over, whatever becomes of this process.
   * Resolves with whether etcd still had it (`undefined`: nobody could say). If etcd is away it resolves after a while, and
   * goes on trying behind the scenes until the session has ended. Idempotent.
   */
  leave(place: Place): Promise<boolean | undefined> {
    this.#oversight.remove(place);
    this.#watches.unfollow(place);
    const span = place.keptUntil - this.#clock.now();
    return span > 0 ? this.#departures.linger(place, span) : this.#departures.leave(place);
  }

  /**
   * Nobody is let in any more, every wait ends with {@link ClosedError}, who holds a place is told that it is lost. Places
   * are left, those that work still runs under once it has ended, or 0.3 s are over. Idempotent.
   */
  end(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  /** {@link end}, then every place is left; waits for etcd at most `timeout` ms. Idempotent. */
  close(timeout: number): Promise<void> {
    this.#closed ??= this.#close(timeout);
    return this.#closed;
  }

  async #end(): Promise<void> {
    this.#arrivals.close();
    const places = [...this.#arrivals.places];
    const works = places.flatMap(({ work }) => (work ? [work] : []));
    for (const place of places) {
      place.end(closedError());
      if (!place.work) void this.leave(place);
    }
    if (works.length > 0) await this.#briefly(Promise.allSettled(works), LAST_WORK);
  }

  async #close(timeout: number): Promise<void> {
    await this.end();
    const left = [...this.#arrivals.places].map((place) => this.leave(place));
    this.#oversight.close();
    await this.#briefly(
      Promise.all(left).then(() => this.#departures.settled()),
      timeout,
    );
    this.#departures.close();
    this.#watches.close();
  }

  /** Resolves when the place is admitted; rejects when it is lost, or with {@link CallerLeft}. */
  #admission(place: Place, deadline: Deadline): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      let stop = (): void => undefined;
      let settled = false;
      const settle = (finish: () => void): void => {
        settled = true;
        stop();
        place.listen(undefined);
        finish();
      };
      stop = deadline.whenLeft((why) => settle(() => reject(why)));
      if (settled) return;
      place.listen({ admitted: () => settle(resolve), lost: (reason) => settle(() => reject(reason)) });
      if (!settled) this.#watches.follow(place, false);
    });
  }

  async #looksFree(request: QueueRequest, deadline: Deadline): Promise<boolean> {
    try {
      return await this.#watches.looksFree(request.queues, request.admission, deadline);
    } catch (error) {
      throw error instanceof CallerLeft ? leftError(error, request, deadline, this.#client) : error;
    }
  }

  /** @param confirmed etcd has said that its keys are gone: whoever waits here need not wait for the event */
  #gone(place: Place, confirmed: boolean): void {
    if (!this.#arrivals.gone(place) || !confirmed || place.revision === 0n) return;
    place.request.queues.forEach((queue, index) =>
      this.#watches.removed(queue, place.keys[index]!, place.revision),
    );
  }

  /** What must not hold up the caller for long is waited for briefly, and goes on by itself. */
  #briefly(work: Promise<unknown>, limit = CLEAR_UP): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(limit, resolve, { hold: true });
      void work.finally(() => (cancel(), resolve()));
    });
  }
}
