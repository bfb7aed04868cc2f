import { ImInfraError } from './im-infra.error.js';

/** A write was sent and its answer was lost: it may have happened. Read before you write again. */
export class OutcomeUnknownError extends ImInfraError {
  static readonly code = 'OUTCOME_UNKNOWN';
  readonly code = OutcomeUnknownError.code;
}
