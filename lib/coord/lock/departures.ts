import { EtcdRefusedError } from '../../errors/etcd-refused.error.js';
import { Backoff, pause } from '../etcd/backoff.js';
import type { Clock } from '../etcd/clock.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { Txn, TxnResult } from '../etcd/kv.js';
import type { Place } from './place.js';
import type { QueueLayout } from './queue-layout.js';
import { leaveTxn, lingerTxn, withdrawTxn } from './queue-txn.js';

/** How long a release waits for etcd before it goes on behind the scenes, in ms. */
const ATTEMPT = 2_000;
const LAST_TRY = { timeout: ATTEMPT, idempotent: true, unordered: true };

interface DeparturesDeps {
  readonly client: EtcdClient;
  readonly logger: CoordLogger;
  readonly clock: Clock;
  readonly layout: QueueLayout;
}

/**
 * Clears places away. While their session lives, nothing else would: so this goes on until etcd has confirmed it, or
 * the session has ended and its lease takes them along.
 */
export class Departures {
  readonly #deps: DeparturesDeps;
  readonly #gone: (place: Place, confirmed: boolean) => void;
  readonly #closing = new AbortController();
  readonly #leaving = new WeakMap<Place, Promise<boolean | undefined>>();
  readonly #pending = new Set<Promise<unknown>>();

  /** @param gone told when the place is done with; `confirmed`: etcd has said that its keys are gone */
  constructor(deps: DeparturesDeps, gone: (place: Place, confirmed: boolean) => void) {
    this.#deps = deps;
    this.#gone = gone;
  }

  /** Deletes the keys of a place that etcd has confirmed; see `Queues.leave` for what it resolves with. */
  leave(place: Place): Promise<boolean | undefined> {
    if (place.revision === 0n) return Promise.resolve(undefined);
    let leaving = this.#leaving.get(place);
    if (!leaving) this.#leaving.set(place, (leaving = this.#leave(place)));
    return leaving;
  }

  /**
   * Leaves the keys where they are for another `span` ms, on a lease that nobody renews: they survive this process. A
   * put keeps the create revision, so nobody is overtaken. Resolves like {@link leave}.
   */
  linger(place: Place, span: number): Promise<boolean | undefined> {
    let leaving = this.#leaving.get(place);
    if (!leaving) this.#leaving.set(place, (leaving = this.#linger(place, span)));
    return leaving;
  }

  /** Clears up after an attempt of unknown outcome. */
  withdraw(place: Place): void {
    place.withdrawn = true;
    const mark = this.#deps.layout.withdrawn(place.session.leaseId, place.attempt);
    this.#behind(this.#insist(place, [withdrawTxn(place, mark)]));
  }

  /** Resolves when nothing is being cleared away behind the scenes. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  close(): void {
    this.#closing.abort();
  }

  async #leave(place: Place): Promise<boolean | undefined> {
    const { session, keys, revision } = place;
    const txns = keys.map((key) => leaveTxn(key, revision));
    if (!session.isAlive()) {
      this.#gone(place, false);
      // The lease may live on for a while in etcd; whoever waits should not have to.
      this.#behind(Promise.all(txns.map((txn) => this.#deps.client.commit(txn, LAST_TRY))));
      return false;
    }
    try {
      const answers = await this.#commit(place, txns, false);
      this.#gone(place, true);
      return answers.every(({ succeeded }) => succeeded);
    } catch {
      this.#behind(this.#insist(place, txns));
      return undefined;
    }
  }

  async #linger(place: Place, span: number): Promise<boolean | undefined> {
    const { session, keys, revision, request } = place;
    if (!session.isAlive()) return this.#leave(place);
    let lingers: boolean | undefined;
    try {
      const lease = await this.#deps.client.grant(span, { timeout: ATTEMPT });
      const txns = keys.map((key) => lingerTxn(key, revision, request.value, lease));
      lingers = (await this.#commit(place, txns, true)).every(({ succeeded }) => succeeded);
    } catch {
      // Who knows: the keys stay under the session, and are deleted when the time is over.
    }
    // The slots are free again when the keys are gone, and not before.
    this.#deps.clock.after(span, () =>
      this.#behind(
        this.#insist(
          place,
          keys.map((key) => leaveTxn(key, revision)),
        ),
      ),
    );
    return lingers;
  }

  #behind(work: Promise<unknown>): void {
    const pending = work.catch(() => undefined).finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  }

  async #insist(place: Place, txns: readonly Txn[]): Promise<void> {
    const { clock, logger } = this.#deps;
    const backoff = new Backoff({ first: 100, most: 2_000 });
    let confirmed = false;
    while (place.session.isAlive() && !this.#closing.signal.aborted) {
      try {
        await this.#commit(place, txns, true);
        confirmed = true;
        break;
      } catch (error) {
        if (error instanceof EtcdRefusedError) {
          logger.warn('a place in a queue could not be cleared', { key: place.keys[0], err: error });
          break;
        }
        await pause(clock, backoff.next(), this.#closing.signal);
      }
    }
    this.#gone(place, confirmed);
  }

  #commit(place: Place, txns: readonly Txn[], idempotent: boolean): Promise<readonly TxnResult[]> {
    const options = { session: place.session, timeout: ATTEMPT, idempotent, unordered: true };
    return Promise.all(txns.map((txn) => this.#deps.client.commit(txn, options)));
  }
}
