import { EtcdRefusedError } from '../../errors/etcd-refused.error.js';
import { Backoff, pause } from '../etcd/backoff.js';
import type { Clock } from '../etcd/clock.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { Session } from '../etcd/session.js';
import type { IdRecord } from './id-record.js';

/** How long each of the two calls of a return may take, in ms. */
const CALL = 1_000;
/** How long whoever returns a number waits for etcd before that goes on behind the scenes, in ms. */
const WAIT = 2 * CALL;

export interface IdReturnsDeps {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly logger: CoordLogger;
}

/** A number that is to be free again. */
export interface ReturnedId {
  readonly key: string;
  /** What this process wrote there: of anybody else's key nothing is changed. */
  readonly value: string;
  readonly session: Session;
  /** How long it rests before others get it, in ms. */
  readonly quarantine: number;
}

/**
 * Gives numbers back. While their session lives nothing else would: so this goes on until etcd has confirmed it, or the
 * session has ended and its lease frees them.
 */
export class IdReturns {
  readonly #deps: IdReturnsDeps;
  readonly #pending = new Set<string>();
  readonly #closing = new AbortController();

  constructor(deps: IdReturnsDeps) {
    this.#deps = deps;
  }

  /** Whether what was written as `value` is on its way back: the same instance may have that number again at once. */
  isPending(value: string): boolean {
    return this.#pending.has(value);
  }

  /**
   * Resolves with whether etcd has confirmed it within 2 s, else goes on behind the scenes. Until it is confirmed, or known
   * to be nobody's concern, the lease is not revoked by the end of the process: the number would be free at once.
   */
  give(returned: ReturnedId): Promise<void> {
    const { clock } = this.#deps;
    return new Promise((resolve) => {
      const cancel = clock.after(WAIT, resolve, { hold: true });
      void this.#insist(returned).finally(() => {
        cancel();
        resolve();
      });
    });
  }

  /** Nothing is tried again. */
  close(): void {
    this.#closing.abort();
  }

  async #insist(returned: ReturnedId): Promise<void> {
    const { clock, logger } = this.#deps;
    const { key, value, session, quarantine } = returned;
    const closing = this.#closing.signal;
    const release = quarantine > 0 ? session.retain() : undefined;
    const backoff = new Backoff({ first: 100, most: 2_000 });
    this.#pending.add(value);
    // Once also when this is closed: an acquisition may be answered only now.
    for (let attempt = 0; session.isAlive() && (attempt === 0 || !closing.aborted); attempt++) {
      try {
        await this.#giveOnce(returned);
        release?.();
        break;
      } catch (error) {
        if (error instanceof EtcdRefusedError) {
          logger.warn('an id could not be given back; it stays taken until this process ends', {
            key,
            err: error,
          });
          break;
        }
        await pause(clock, backoff.next(), closing);
      }
    }
    this.#pending.delete(value);
  }

  /** Only while the key is ours. With a quarantine the key stays, on a lease that nobody renews. */
  async #giveOnce({ key, value, quarantine }: ReturnedId): Promise<void> {
    const { client } = this.#deps;
    const compare = [{ key, target: 'value', value } as const];
    const options = { timeout: CALL, idempotent: true };
    if (quarantine === 0) {
      await client.commit({ compare, success: [{ delete: { key } }] }, options);
      return;
    }
    const lease = await client.grant(quarantine, { timeout: CALL });
    const resting = JSON.stringify({ ...(JSON.parse(value) as IdRecord), resting: true } satisfies IdRecord);
    await client.commit({ compare, success: [{ put: { key, value: resting, lease } }] }, options);
  }
}
