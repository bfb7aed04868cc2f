import { ImInfraError } from './im-infra.error.js';

/** etcd did not answer in time. Nothing was written; the call may be repeated. */
export class CoordUnavailableError extends ImInfraError {
  static readonly code = 'COORD_UNAVAILABLE';
  readonly code = CoordUnavailableError.code;
}
