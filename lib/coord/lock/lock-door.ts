import type { Lock } from './lock.js';
import type { LockOptions } from './lock.options.js';

/** What is locked is settled; how long and how is said at each call. */
export interface LockDoor {
  /** Waits for its turn: first come, first served over all processes. */
  acquire(options?: LockOptions): Promise<Lock>;
  /** The lock if it is free now, else `null`. */
  tryAcquire(options?: LockOptions): Promise<Lock | null>;
  /** Runs `fn` under the lock; see `LockService.using`. */
  using<T>(options: LockOptions, fn: (lock: Lock) => Promise<T> | T): Promise<T>;
}

/** Any number of readers, or one writer. Neither overtakes the other: who comes first is served first. */
export interface ReadWriteLock {
  readonly read: LockDoor;
  /** The same lock as `acquire(key)`, and as Go's mutex of that name. */
  readonly write: LockDoor;
}
