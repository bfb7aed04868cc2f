import { ImInfraError } from '../../errors/im-infra.error.js';

/** The process has two copies of `@grpc/grpc-js`: what is registered in one is unknown to the other. */
export class GrpcCopyError extends ImInfraError {
  static readonly code = 'GRPC_COPY';
  readonly code = GrpcCopyError.code;
}
