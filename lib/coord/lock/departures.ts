import { EtcdRefusedError } from '../../errors/etcd-refused.error.js';
import { Backoff, pause } from '../etcd/backoff.js';
import type { Clock } from '../etcd/clock.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { Txn, TxnResult } from '../etcd/kv.js';
import type { Place } from './place.js';
import type { QueueLayout } from './queue-layout.js';
import { leaveTxn, withdrawTxn } from './queue-txn.js';

/** How long a release waits for etcd before it goes on behind the scenes, in ms. */
const ATTEMPT = 2_000;
const LAST_TRY = { timeout: ATTEMPT, idempotent: true };

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
  readonly #gone: (place: Place) => void;
  readonly #closing = new AbortController();
  readonly #leaving = new WeakMap<Place, Promise<boolean | undefined>>();
  readonly #pending = new Set<Promise<unknown>>();

  /** @param gone told once etcd can have nothing of the place any more */
  constructor(deps: DeparturesDeps, gone: (place: Place) => void) {
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

  /** Clears up after an attempt of unknown outcome. */
  withdraw(place: Place): void {
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
      this.#gone(place);
      // The lease may live on for a while in etcd; whoever waits should not have to.
      this.#behind(Promise.all(txns.map((txn) => this.#deps.client.commit(txn, LAST_TRY))));
      return false;
    }
    try {
      const answers = await this.#commit(place, txns, false);
      this.#gone(place);
      return answers.every(({ succeeded }) => succeeded);
    } catch {
      this.#behind(this.#insist(place, txns));
      return undefined;
    }
  }

  #behind(work: Promise<unknown>): void {
    const pending = work.catch(() => undefined).finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  }

  async #insist(place: Place, txns: readonly Txn[]): Promise<void> {
    const { clock, logger } = this.#deps;
    const backoff = new Backoff({ first: 100, most: 2_000 });
    while (place.session.isAlive() && !this.#closing.signal.aborted) {
      try {
        await this.#commit(place, txns, true);
        break;
      } catch (error) {
        if (error instanceof EtcdRefusedError) {
          logger.warn('a place in a queue could not be cleared', { key: place.keys[0], err: error });
          break;
        }
        await pause(clock, backoff.next(), this.#closing.signal);
      }
    }
    this.#gone(place);
  }

  #commit(place: Place, txns: readonly Txn[], idempotent: boolean): Promise<readonly TxnResult[]> {
    const options = { session: place.session, timeout: ATTEMPT, idempotent };
    return Promise.all(txns.map((txn) => this.#deps.client.commit(txn, options)));
  }
}
