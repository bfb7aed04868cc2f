import { ImInfraError } from '../errors/im-infra.error.js';

/** The rung that was asked for cannot be taken. */
export class EtcdNotAvailableError extends ImInfraError {
  static readonly code = 'ETCD_NOT_AVAILABLE';
  readonly code = EtcdNotAvailableError.code;
}
