import { ImInfraError } from './im-infra.error.js';

/** The object was closed; what was asked of it cannot be done any more. */
export class ClosedError extends ImInfraError {
  static readonly code = 'CLOSED';
  readonly code = ClosedError.code;
}
