// errors
export { ImInfraError } from './errors/im-infra.error.js';
export { AllocatorExhaustedError } from './errors/allocator-exhausted.error.js';
export { ClosedError } from './errors/closed.error.js';
export { ConfigConflictError } from './errors/config-conflict.error.js';
export { ConfigInvalidError, type ConfigIssue } from './errors/config-invalid.error.js';
export { ConfigNotFoundError } from './errors/config-not-found.error.js';
export { CoordUnavailableError } from './errors/coord-unavailable.error.js';
export { LockHeldError } from './errors/lock-held.error.js';
export { LockLostError } from './errors/lock-lost.error.js';
export { LockTimeoutError } from './errors/lock-timeout.error.js';
export { NoInstanceError } from './errors/no-instance.error.js';
export { OutcomeUnknownError } from './errors/outcome-unknown.error.js';
export { SessionLostError } from './errors/session-lost.error.js';
export { ValidationError } from './errors/validation.error.js';

// options
export type { Duration } from './options/duration.js';
export type { ServiceOptions } from './options/service.js';

// module

// clog and trace
export { createTraceId } from './trace/trace-id.js';
export type { TraceContext } from './trace/trace.js';
export { currentTrace, currentTraceId, runWithTrace } from './trace/trace-store.js';
export { traceMiddleware } from './trace/http.middleware.js';
export { traceClientInterceptor, traceServerInterceptor } from './trace/grpc.interceptor.js';
export { withGrpcTrace } from './trace/grpc.options.js';

// coord

// registry and grpc
export type { ServiceInstance } from './coord/registry/service-instance.js';
export type { ServiceEvent } from './coord/registry/service-directory.js';
export type { Registration, RegistrationState } from './coord/registry/registration.js';
export type { RegisterInstanceOptions } from './coord/registry/registrar.js';
export type { RegisterOptions } from './coord/registry/register.options.js';
export type { LoadBalancingPolicy } from './coord/registry/balancing/balancing-plan.js';
export { ServiceRegistry, type WarmUpOptions } from './coord/grpc/service-registry.js';
export { coordGrpc } from './coord/grpc/coord-grpc.js';
export type { CoordGrpcOptions } from './coord/grpc/coord-grpc.options.js';
export type { CoordConnection, CoordGrpcClient, CoordGrpcClientOptions } from './coord/grpc/client-options.js';
export type { RetryPolicy } from './coord/grpc/retry-policy.js';
export { GrpcCopyError } from './coord/grpc/grpc-copy.error.js';

// config

// lock, election, allocator
