import type { Lock } from '../../../../lib/coord/lock/lock.js';

/** What the torture needs of a lock. */
export type ContendedLock = Pick<Lock, 'key' | 'fencingToken' | 'isHeld' | 'guard' | 'release'>;

/** A kind of lock under torture. */
export interface Contender {
  /** Waits at most `timeout` ms, or until the signal aborts. */
  acquire(
    key: string,
    options: { readonly ttl: number; readonly timeout: number; readonly signal?: AbortSignal },
  ): Promise<ContendedLock>;
  close(): Promise<void>;
}
