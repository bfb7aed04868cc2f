import { EtcdRefusedError } from '../../errors/etcd-refused.error.js';
import { Backoff, pause } from '../etcd/backoff.js';
import type { Clock } from '../etcd/clock.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { Txn, TxnResult } from '../etcd/kv.js';
import type { Place } from './place.js';
import { leaveTxn, lingerTxn } from './queue-txn.js';
import { settle } from './settle.js';

/** How long a release waits for etcd before it goes on behind the scenes, in ms. */
const ATTEMPT = 2_000;
const LAST_TRY = { timeout: ATTEMPT, idempotent: true, unordered: true };

interface DeparturesDeps {
  readonly client: EtcdClient;
  readonly logger: CoordLogger;
  readonly clock: Clock;
}

/**
 * Clears places away. While their session lives, nothing else would: so this goes on until etcd has confirmed it, or
 * the session has ended and its lease takes them along.
 */
export class Departures {
  readonly #deps: DeparturesDeps;
  readonly #gone: (place: Place, confirmed: boolean) => void;
  readonly #closing = new AbortController();
  readonly #pending = new Set<Promise<unknown>>();

  /** @param gone told when the place is done with; `confirmed`: etcd has said that its keys are gone */
  constructor(deps: DeparturesDeps, gone: (place: Place, confirmed: boolean) => void) {
    this.#deps = deps;
    this.#gone = gone;
  }

  /** Deletes the keys of a place, once it is known whether etcd has them; see `Queues.leave` for what it resolves with. */
  leave(place: Place): Promise<boolean | undefined> {
    place.leaving ??= place.revision === 0n ? this.#leaveWhenTaken(place) : this.#leave(place);
    return place.leaving;
  }

  /**
   * Leaves the keys where they are for another `span` ms, on a lease that nobody renews: they survive this process. A
   * put keeps the create revision, so nobody is overtaken. Resolves like {@link leave}.
   */
  linger(place: Place, span: number): Promise<boolean | undefined> {
    place.leaving ??= this.#linger(place, span);
    return place.leaving;
  }

  /** The same as {@link leave}, behind the scenes: nobody waits any more for what the attempt brings. */
  abandon(place: Place): void {
    this.#behind(this.leave(place));
  }

  /** Clears up after an attempt of unknown outcome, which could not even be settled. */
  withdraw(place: Place): void {
    this.#behind(
      this.#insist(place, async () => {
        if (place.revision > 0n || (await settle(this.#deps.client, place, ATTEMPT))) {
          await this.#commit(place, leaveTxns(place), true);
        }
      }),
    );
  }

  /** Resolves when nothing is being cleared away behind the scenes. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  close(): void {
    this.#closing.abort();
  }

  async #leaveWhenTaken(place: Place): Promise<boolean | undefined> {
    // Whoever asked for the place is told of a failure; here only the place counts.
    await place.taking?.catch(() => undefined);
    return place.revision === 0n ? undefined : this.#leave(place);
  }

  async #leave(place: Place): Promise<boolean | undefined> {
    const txns = leaveTxns(place);
    if (!place.session.isAlive()) {
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
      this.#behind(this.#insist(place, () => this.#commit(place, txns, true)));
      return undefined;
    }
  }

  async #linger(place: Place, span: number): Promise<boolean | undefined> {
    const { session, keys, revision, request } = place;
    if (!session.isAlive()) return this.#leave(place);
    // Until the keys are on the other lease, this one must not be revoked by the end of the process.
    const release = session.retain();
    let lingers: boolean | undefined;
    try {
      const lease = await this.#deps.client.grant(span, { timeout: ATTEMPT });
      const txns = keys.map((key) => lingerTxn(key, revision, request.value, lease));
      lingers = (await this.#commit(place, txns, true)).every(({ succeeded }) => succeeded);
      release();
    } catch {
      // Who knows: the keys stay under the session, and are deleted when the time is over.
    }
    // The slots are free again when the keys are gone, and not before.
    this.#deps.clock.after(span, () => {
      release();
      this.#behind(this.#insist(place, () => this.#commit(place, leaveTxns(place), true)));
    });
    return lingers;
  }

  #behind(work: Promise<unknown>): void {
    const pending = work.catch(() => undefined).finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  }

  async #insist(place: Place, work: () => Promise<unknown>): Promise<void> {
    const { clock, logger } = this.#deps;
    const backoff = new Backoff({ first: 100, most: 2_000 });
    let confirmed = false;
    while (!confirmed && !place.slotsSpent && place.session.isAlive() && !this.#closing.signal.aborted) {
      try {
        await work();
        confirmed = true;
      } catch (error) {
        if (error instanceof EtcdRefusedError) {
          // The keys may be there still, for as long as the session.
          place.slotsSpent = true;
          logger.warn('a place in a queue could not be cleared', { key: place.keys[0], err: error });
        } else await pause(clock, backoff.next(), this.#closing.signal);
      }
    }
    this.#gone(place, confirmed);
  }

  #commit(place: Place, txns: readonly Txn[], idempotent: boolean): Promise<readonly TxnResult[]> {
    const options = { session: place.session, timeout: ATTEMPT, idempotent, unordered: true };
    return Promise.all(txns.map((txn) => this.#deps.client.commit(txn, options)));
  }
}

function leaveTxns({ keys, revision }: Place): readonly Txn[] {
  return keys.map((key) => leaveTxn(key, revision));
}
