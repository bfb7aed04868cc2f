import { ClosedError } from '../../errors/closed.error.js';
import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { EtcdRefusedError } from '../../errors/etcd-refused.error.js';
import { OutcomeUnknownError } from '../../errors/outcome-unknown.error.js';
import { Backoff, pause } from './backoff.js';
import type { Clock } from './clock.js';
import type { CoordLogger } from './coord-logger.js';
import type { CommitOptions } from './commit-entry.js';
import type { KeyRange, Txn, TxnResult } from './kv.js';
import type { Mirror } from './mirror.js';
import type { Session } from './session.js';

/** Where sessions keep their sentinel keys; a user with limited rights needs to read and write below it. */
export const SESSIONS_PREFIX = '/im-infra/sessions';

interface SentinelDeps {
  commit(txn: Txn, options: CommitOptions): Promise<TxnResult>;
  mirror(range: KeyRange): Mirror;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: CoordLogger;
  /** Says whose session it is, for whoever looks at the key. */
  readonly owner: string;
}

/**
 * Ties one key to the session's lease and watches it: when an operator revokes the lease, the key goes, and the session
 * knows within one event instead of at its next renewal. It also catches servers that still answer renewals of a
 * revoked lease (see {@link knownBugs}). Returns the closing function.
 */
export function guardSession(session: Session, lost: (why: string) => void, deps: SentinelDeps): () => void {
  const key = `${SESSIONS_PREFIX}/${session.leaseId.toString(16)}`;
  let mirror: Mirror | undefined;
  const watch = async (): Promise<void> => {
    await putSentinel(key, session, deps);
    if (session.signal.aborted) return;
    mirror = deps.mirror({ key });
    mirror.subscribe(() => {
      if (!mirror?.snapshot().entries.has(key)) lost('its lease was revoked');
    });
  };
  watch().catch((error: unknown) => {
    if (session.signal.aborted || error instanceof ClosedError) return;
    if (error instanceof EtcdRefusedError && /lease not found/.test(error.reason)) {
      lost('etcd says that the lease is gone');
    } else {
      deps.logger.warn('no sentinel key: a revoked lease is noticed at its next renewal', {
        key,
        err: error,
      });
    }
  });
  return () => mirror?.close();
}

/** Until it is there, or etcd refuses it: a session may outlive an outage that its first attempt did not. */
async function putSentinel(key: string, session: Session, deps: SentinelDeps): Promise<void> {
  const { commit, owner, clock, random } = deps;
  const value = JSON.stringify({ owner, since: new Date(clock.wall()).toISOString() });
  const put = { success: [{ put: { key, value, lease: session.leaseId } }] };
  const backoff = new Backoff({ first: 100, most: 1_000 }, random);
  for (;;) {
    try {
      await commit(put, { session, idempotent: true });
      return;
    } catch (error) {
      if (!(error instanceof CoordUnavailableError || error instanceof OutcomeUnknownError)) throw error;
    }
    await pause(clock, backoff.next(), session.signal);
  }
}
