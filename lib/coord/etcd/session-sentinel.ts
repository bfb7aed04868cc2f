import { EtcdRefusedError } from '../../errors/etcd-refused.error.js';
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
  const { commit, logger, owner } = deps;
  const key = `${SESSIONS_PREFIX}/${session.leaseId.toString(16)}`;
  let mirror: Mirror | undefined;
  const watch = async (): Promise<void> => {
    const value = JSON.stringify({ owner, since: new Date().toISOString() });
    await commit(
      { success: [{ put: { key, value, lease: session.leaseId } }] },
      { session, idempotent: true },
    );
    if (session.signal.aborted) return;
    mirror = deps.mirror({ key });
    const gone = (): void => {
      if (!mirror?.snapshot().entries.has(key)) lost('its lease was revoked');
    };
    mirror.subscribe(gone);
  };
  watch().catch((error: unknown) => {
    if (session.signal.aborted) return;
    if (error instanceof EtcdRefusedError && /lease not found/.test(error.reason))
      lost('etcd says that the lease is gone');
    else logger.warn('no sentinel key: a revoked lease is noticed at its next renewal', { key, err: error });
  });
  return () => mirror?.close();
}
