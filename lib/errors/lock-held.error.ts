import { ImInfraError } from './im-infra.error.js';

/** The lock is held by another owner, and the caller asked not to wait. */
export class LockHeldError extends ImInfraError {
  static readonly code = 'LOCK_HELD';
  readonly code = LockHeldError.code;
}
