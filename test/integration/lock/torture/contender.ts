import type { Lock } from '../../../../lib/coord/lock/lock.js';

/** What the torture needs of a lock. */
export type ContendedLock = Pick<Lock, 'key' | 'fencingToken' | 'isHeld' | 'guard' | 'release'>;

/** A kind of lock under torture. */
export interface Contender {
  /** Waits at most `timeout` ms. */
  acquire(key: string, options: { readonly ttl: number; readonly timeout: number }): Promise<ContendedLock>;
  close(): Promise<void>;
}
