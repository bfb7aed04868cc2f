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

// config

// lock, election, allocator
