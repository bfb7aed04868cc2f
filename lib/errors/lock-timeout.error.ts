import { ImInfraError } from './im-infra.error.js';

/** The lock was not acquired within \`timeout\`. Nothing is left in the queue. */
export class LockTimeoutError extends ImInfraError {
  static readonly code = 'LOCK_TIMEOUT';
  readonly code = LockTimeoutError.code;
}
