import { ImInfraError } from './im-infra.error.js';

/** etcd refused a request as such (permission denied, too large, compacted, bad lease): it did nothing, and would again. */
export class EtcdRefusedError extends ImInfraError {
  static readonly code = 'ETCD_REFUSED';
  readonly code = EtcdRefusedError.code;
  /** The gRPC status code of the refusal. */
  readonly status: number;
  /** What etcd said. */
  readonly reason: string;

  constructor(reason: string, status: number, options?: ErrorOptions) {
    super(`etcd refused the request: ${reason}`, options);
    this.reason = reason;
    this.status = status;
  }
}
