import { LockLostError } from '../../errors/lock-lost.error.js';
import type { HeldLock } from './held-lock.js';

/**
 * Runs `run` and releases the lock, whatever happens. Resolves only if the lock was held to the end; the error of `run`
 * wins over the loss, and gets it as its cause.
 */
export async function hold<T>(lock: HeldLock, run: () => Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await run();
  } catch (error) {
    const { loss } = lock;
    await lock.leave();
    throw loss ? causedBy(error, loss) : error;
  }
  const { isReleased, loss } = lock;
  const kept = await lock.leave();
  if (loss) throw loss;
  if (kept === false && !isReleased) {
    throw new LockLostError(`the lock "${lock.key}" was lost: its key was deleted in etcd`);
  }
  return result;
}

function causedBy(error: unknown, loss: LockLostError): unknown {
  if (error instanceof Error && error !== loss && error.cause === undefined && Object.isExtensible(error)) {
    Object.defineProperty(error, 'cause', {
      value: loss,
      configurable: true,
      writable: true,
      enumerable: false,
    });
  }
  return error;
}
