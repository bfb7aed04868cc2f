import { randomBytes } from 'node:crypto';
import { ClosedError } from '../../errors/closed.error.js';
import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { EtcdRefusedError } from '../../errors/etcd-refused.error.js';
import { OutcomeUnknownError } from '../../errors/outcome-unknown.error.js';
import { Backoff, pause } from './backoff.js';
import type { Clock } from './clock.js';
import type { CoordLogger } from './coord-logger.js';
import type { CommitOptions } from './commit-entry.js';
import { type KeyRange, prefixRange, type Txn, type TxnResult } from './kv.js';
import type { Mirror, MirrorChange, MirrorOptions } from './mirror.js';
import type { Session } from './session.js';

/** Below it each client keeps the sentinel keys of its sessions; a user with limited rights needs to read and write there. */
export const SESSIONS_PREFIX = '/im-infra/sessions/';

interface SentinelsDeps {
  commit(txn: Txn, options: CommitOptions): Promise<TxnResult>;
  mirror(range: KeyRange, options: MirrorOptions): Mirror;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: CoordLogger;
  /** Says whose sessions these are, for whoever looks at the keys. */
  readonly owner: string;
}

const REVOKED = 'its lease was revoked';
/** What etcd refuses, for want of rights perhaps, is asked for again after so long, in ms. */
const AFTER_REFUSAL = 30_000;

type Lost = (why: string) => void;

/** A sentinel key that etcd has taken. */
interface Sentinel {
  readonly key: string;
  readonly revision: bigint;
  readonly lost: Lost;
}

/**
 * Ties one key to the lease of each session and watches them all: when an operator revokes a lease, its key goes, and the
 * session knows within one event instead of at its next renewal. It also catches servers that still answer renewals of a
 * revoked lease (see `knownBugs`). One watch serves all sessions of a client, for each costs a part of every reconnect.
 */
export class Sentinels {
  readonly #deps: SentinelsDeps;
  readonly #folder = `${SESSIONS_PREFIX}${randomBytes(8).toString('hex')}/`;
  readonly #sentinels = new Map<string, Sentinel>();
  #mirror: Mirror | undefined;

  constructor(deps: SentinelsDeps) {
    this.#deps = deps;
  }

  /** Calls `lost` when the key of the session goes, until the function that it returns is called. */
  guard(session: Session, lost: Lost): () => void {
    const key = `${this.#folder}${session.leaseHex}`;
    let closed = false;
    const watch = async (): Promise<void> => {
      const revision = await putSentinel(key, session, this.#deps);
      if (!closed) this.#watch({ key, revision, lost });
    };
    watch().catch((error: unknown) => {
      if (session.signal.aborted || error instanceof ClosedError) return;
      if (isGone(error)) lost('etcd says that the lease is gone');
      else warnOf(error, key, this.#deps);
    });
    return () => {
      closed = true;
      this.#sentinels.delete(key);
      if (this.#sentinels.size > 0) return;
      this.#mirror?.close();
      this.#mirror = undefined;
    };
  }

  #watch(sentinel: Sentinel): void {
    this.#sentinels.set(sentinel.key, sentinel);
    if (!this.#mirror) {
      const listed = (): void => this.#look(this.#sentinels.values());
      this.#mirror = this.#deps.mirror(prefixRange(this.#folder), { listed });
      this.#mirror.subscribe((change) => this.#apply(change));
    } else this.#look([sentinel]);
  }

  #apply({ changes }: MirrorChange): void {
    for (const { key, current } of changes) {
      if (!current) this.#sentinels.get(key)?.lost(REVOKED);
    }
  }

  /** A key that came and went where the mirror saw neither is missing in what it saw later. */
  #look(sentinels: Iterable<Sentinel>): void {
    if (!this.#mirror) return;
    const { revision: seen, entries } = this.#mirror.snapshot();
    for (const { key, revision, lost } of sentinels) {
      if (revision <= seen && !entries.has(key)) lost(REVOKED);
    }
  }
}

/** Until it is there: a session may outlive an outage, or a lack of rights, that its first attempt did not. When it was put. */
async function putSentinel(key: string, session: Session, deps: SentinelsDeps): Promise<bigint> {
  const { commit, owner, clock, random } = deps;
  const value = JSON.stringify({ owner, since: new Date(clock.wall()).toISOString() });
  const put = { success: [{ put: { key, value, lease: session.leaseId } }] };
  const backoff = new Backoff({ first: 100, most: 1_000 }, random);
  let warned = false;
  for (;;) {
    let wait: number;
    try {
      return (await commit(put, { session, idempotent: true })).revision;
    } catch (error) {
      if (error instanceof CoordUnavailableError || error instanceof OutcomeUnknownError) {
        wait = backoff.next();
      } else if (error instanceof EtcdRefusedError && !isGone(error)) {
        if (!warned) warnOf(error, key, deps);
        warned = true;
        wait = AFTER_REFUSAL;
      } else throw error;
    }
    await pause(clock, wait, session.signal);
  }
}

function isGone(error: unknown): boolean {
  return error instanceof EtcdRefusedError && /lease not found/.test(error.reason);
}

function warnOf(error: unknown, key: string, { logger }: SentinelsDeps): void {
  logger.warn('no sentinel key: a revoked lease is noticed at its next renewal', { key, err: error });
}
