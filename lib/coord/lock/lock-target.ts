import { ValidationError } from '../../errors/validation.error.js';
import { type Admission, EXCLUSIVE, permits, SHARED } from './admission.js';
import { checkLockKey, checkLockKeys } from './lock-key.js';
import type { QueueLayout } from './queue-layout.js';

/** What is to be locked: the queues to stand in, and what admits. */
export interface LockTarget {
  readonly keys: readonly string[];
  readonly queues: readonly string[];
  readonly admission: Admission;
  /** What it is called in errors. */
  readonly label: string;
}

/** One key, or several at once. */
export function lockTarget(layout: QueueLayout, key: unknown): LockTarget {
  const keys = checkLockKeys('key', key);
  const [first] = keys;
  return {
    keys,
    queues: keys.map((each) => layout.queue(each)),
    admission: EXCLUSIVE,
    label:
      keys.length === 1 ? `the lock "${first}"` : `the locks ${keys.map((each) => `"${each}"`).join(', ')}`,
  };
}

/** The readers' side of a lock; its writers' side is {@link lockTarget}. */
export function readTarget(layout: QueueLayout, key: unknown): LockTarget {
  const checked = checkLockKey('key', key);
  return {
    keys: [checked],
    queues: [layout.queue(checked)],
    admission: SHARED,
    label: `the read lock "${checked}"`,
  };
}

export function semaphoreTarget(layout: QueueLayout, key: unknown, count: unknown): LockTarget {
  const checked = checkLockKey('key', key);
  if (!(typeof count === 'number' && Number.isInteger(count) && count >= 1 && count <= 10_000)) {
    throw new ValidationError('permits', 'an integer from 1 to 10000', count);
  }
  return {
    keys: [checked],
    queues: [layout.semaphore(checked)],
    admission: permits(count),
    label: `a permit of the semaphore "${checked}"`,
  };
}
