import { ImInfraError } from './im-infra.error.js';

/** The service has no instance that may be called. */
export class NoInstanceError extends ImInfraError {
  static readonly code = 'NO_INSTANCE';
  readonly code = NoInstanceError.code;
}
