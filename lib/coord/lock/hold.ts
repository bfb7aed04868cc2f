import { LockLostError } from '../../errors/lock-lost.error.js';
import type { Lock } from './lock.js';

/** A lock that work can run under: it knows why it was lost, and whether it was to the very end. */
export interface WorkedLock extends Lock {
  /** Why the lock is lost, as far as this process can know now; `undefined` if it is held or was released in time. */
  readonly loss: LockLostError | undefined;
  /** Whether `release` was called. */
  readonly isReleased: boolean;
  /** Has a close wait for `work` before it gives the lock to another. */
  during<T>(work: Promise<T>): Promise<T>;
  /** Releases, and tells whether etcd still had the lock as ours; `undefined` if nobody could say. */
  leave(): Promise<boolean | undefined>;
}

/**
 * Runs `run` and releases the lock, whatever happens. Resolves only if the lock was held to the end; the error of `run`
 * wins over the loss, and gets it as its cause.
 */
export async function hold<T>(lock: WorkedLock, run: () => Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await lock.during(run());
  } catch (error) {
    const loss = await end(lock);
    throw loss ? causedBy(error, loss) : error;
  }
  const loss = await end(lock);
  if (loss) throw loss;
  return result;
}

/** Releases; resolves with the loss, if there was one, also one that only etcd knew of. */
async function end(lock: WorkedLock): Promise<LockLostError | undefined> {
  const { isReleased, loss } = lock;
  const kept = await lock.leave();
  if (loss || kept !== false || isReleased) return loss;
  return new LockLostError(`the lock "${lock.key}" was lost: its key was deleted in etcd`);
}

/** Puts the loss at the end of the error's own chain of causes, unless it is there already or does not fit. */
function causedBy(error: unknown, loss: LockLostError): unknown {
  const seen = new Set<unknown>();
  let last = error;
  while (last instanceof Error && last.cause !== undefined && !seen.has(last)) {
    seen.add(last);
    last = last.cause;
  }
  if (last instanceof Error && !seen.has(last) && last !== loss && Object.isExtensible(last)) {
    Object.defineProperty(last, 'cause', {
      value: loss,
      configurable: true,
      writable: true,
      enumerable: false,
    });
  }
  return error;
}
