import { LockLostError } from '../../errors/lock-lost.error.js';
import { type Clock, systemClock } from '../etcd/clock.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import { Arrivals } from './arrivals.js';
import { Deadline, TimeIsUp } from './deadline.js';
import { Departures } from './departures.js';
import { Oversight } from './oversight.js';
import type { Place } from './place.js';
import type { QueueLayout } from './queue-layout.js';
import type { QueueRequest } from './queue-request.js';
import { closedError, timeoutError } from './queue.messages.js';
import { enqueueTxn, tryTxn } from './queue-txn.js';
import { QueueWatches } from './queue-watches.js';

/** How long whoever gives up waits for its place to be cleared before it says so, in ms. */
const CLEAR_UP = 250;

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
  readonly #clock: Clock;
  readonly #watches: QueueWatches;
  readonly #oversight: Oversight;
  readonly #departures: Departures;
  readonly #arrivals: Arrivals;
  #closed = false;

  constructor({ client, logger, clock = systemClock }: QueuesDeps, layout: QueueLayout) {
    this.#clock = clock;
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
    const place = await this.#arrivals.enqueue(request, deadline, exclusive ? tryTxn : enqueueTxn);
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
      this.#arrivals.close();
      const left = [...this.#arrivals.places].map((place) => {
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
