import { ImInfraError } from './im-infra.error.js';

/** The lease behind this work has ended, or can no longer be proven alive. */
export class SessionLostError extends ImInfraError {
  static readonly code = 'SESSION_LOST';
  readonly code = SessionLostError.code;
}
