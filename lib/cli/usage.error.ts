import { ImInfraError } from '../errors/im-infra.error.js';

/** The command line was written wrongly: exit code 2. */
export class UsageError extends ImInfraError {
  static readonly code = 'USAGE';
  readonly code = UsageError.code;
}
