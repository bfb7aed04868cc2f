import type { Compare } from '../etcd/kv.js';

/**
 * A lock that is held, until it is released or lost.
 *
 * What protects what: `signal` stops work that can be stopped; `assertHeld()` reads the clock and belongs right before
 * each step that must not happen twice; `fencingToken` lets the resource itself refuse a late writer; `guard()` makes
 * an etcd transaction conditional on the ownership. Only the last two hold for a process that was paused between the
 * check and the write (M. Kleppmann, "How to do distributed locking", 2016).
 */
export interface Lock extends AsyncDisposable {
  /** The key that was asked for; several are joined with `, `. */
  readonly key: string;
  readonly keys: readonly string[];
  /** Rises with each change of ownership: the create revision of the key in etcd. */
  readonly fencingToken: bigint;
  /** Aborts with a `LockLostError` before etcd can give the lock to another. */
  readonly signal: AbortSignal;
  /** Reads the clock: right also after a long synchronous block or a pause of the process. */
  isHeld(): boolean;
  /** @throws LockLostError if the lock is not provably held */
  assertHeld(): void;
  /** Milliseconds for which the lock is held even if no renewal succeeds any more; 0 when it is not held. */
  ttl(): Promise<number>;
  /**
   * The comparisons that hold in etcd exactly while this is the owner, one for each key, for a transaction of your own:
   * `compare: [...lock.guard()]`.
   */
  guard(): readonly Compare[];
  /**
   * Gives the lock to the next. Resolves once etcd has confirmed it, or could not be reached for 2 s: then it is
   * repeated in the background until the lease has ended. Never rejects. Idempotent.
   */
  release(): Promise<void>;
  /** The same as {@link release}. */
  unlock(): Promise<void>;
}
