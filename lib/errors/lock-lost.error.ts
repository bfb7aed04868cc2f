import { ImInfraError } from './im-infra.error.js';

/** The lock is no longer held: its lease ended, its key was deleted, or its owner was paused too long. */
export class LockLostError extends ImInfraError {
  static readonly code = 'LOCK_LOST';
  readonly code = LockLostError.code;
}
