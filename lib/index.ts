// errors
export { ImInfraError } from './errors/im-infra.error.js';
export { AllocatorExhaustedError } from './errors/allocator-exhausted.error.js';
export { ClosedError } from './errors/closed.error.js';
export { ConfigConflictError } from './errors/config-conflict.error.js';
export { ConfigInvalidError, type ConfigIssue } from './errors/config-invalid.error.js';
export { ConfigNotFoundError } from './errors/config-not-found.error.js';
export { CoordUnavailableError } from './errors/coord-unavailable.error.js';
export { EtcdRefusedError } from './errors/etcd-refused.error.js';
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
export { ImInfraModule } from './im-infra.module.js';
export type { ImInfraOptions, ImInfraOptionsFactory } from './im-infra.options.js';
export { MODULE_OPTIONS_TOKEN as IM_INFRA_OPTIONS } from './im-infra.module-definition.js';

// clog and trace
export { ClogModule, type ClogModuleOptions } from './clog/clog.module.js';
export { ClogService } from './clog/clog.service.js';
export { InjectClog, getClogToken } from './clog/clog.decorator.js';
export {
  type ClogOptions,
  type ClogServiceOptions,
  type LogFormat,
  type PinoHttpOptions,
  type PinoOptions,
  type RotationOptions,
  defaultClogOptions,
} from './clog/clog.options.js';
export { type ResolvedClogOptions, resolveClogOptions } from './clog/resolve-clog-options.js';
export type { LogLevel } from './clog/log-level.js';
export { createTraceId } from './trace/trace-id.js';
export type { TraceContext } from './trace/trace.js';
export { currentTrace, currentTraceId, runWithTrace } from './trace/trace-store.js';
export { traceMiddleware } from './trace/http.middleware.js';
export { traceClientInterceptor, traceServerInterceptor } from './trace/grpc.interceptor.js';
export { withGrpcTrace } from './trace/grpc.options.js';
export { type PropagateOptions, propagateTrace } from './trace/outbound.js';

// coord
export { CoordService, type CoordConnectOptions, type CoordDeps } from './coord/coord.service.js';
export type { CoordOptions, TlsOptions } from './coord/coord.options.js';
export { COORD_SERVICE } from './coord/etcd/tokens.js';
export type { CoordLogger } from './coord/etcd/coord-logger.js';
export type { CallOptions, CoordStatus } from './coord/etcd/etcd.options.js';
export type { Prefixes } from './coord/etcd/room-context.js';

// registry and grpc
export type { ServiceInstance } from './coord/registry/service-instance.js';
export type { ServiceEvent } from './coord/registry/service-directory.js';
export type { Registration, RegistrationState } from './coord/registry/registration.js';
export type { RegisterInstanceOptions } from './coord/registry/registrar.js';
export type { RegisterOptions } from './coord/registry/register.options.js';
export type { ExplainedInstance, ServiceExplanation } from './coord/registry/service-explanation.js';
export type { ChoiceStep } from './coord/registry/balancing/chooser.js';
export type { PickOptions, PickPolicy } from './coord/registry/picking.js';
export type { LoadBalancingPolicy } from './coord/registry/balancing/balancing-plan.js';
export { ServiceRegistry, type WarmUpOptions } from './coord/grpc/service-registry.js';
export { coordGrpc } from './coord/grpc/coord-grpc.js';
export type { CanaryOptions, CoordGrpcOptions } from './coord/grpc/coord-grpc.options.js';
export type {
  CoordConnection,
  CoordGrpcClient,
  CoordGrpcClientOptions,
} from './coord/grpc/client-options.js';
export type { RetryPolicy } from './coord/grpc/retry-policy.js';
export { GrpcCopyError } from './coord/grpc/grpc-copy.error.js';

// config
export { ConfigCenter } from './coord/config/config.center.js';
export type {
  LiveOptions,
  SetOptions,
  WatchKeyOptions,
  WatchOptions,
} from './coord/config/config-call.options.js';
export type { ConfigCodec, ConfigCodecOption } from './coord/config/config-codec.js';
export { ConfigChangeModule, ConfigFeatureModule } from './coord/config/config-feature.module.js';
export { InjectConfig } from './coord/config/config.decorator.js';
export {
  defineConfig,
  type ConfigDefinition,
  type ConfigOf,
  type DefineConfigOptions,
} from './coord/config/config.definition.js';
export type { ConfigOptions } from './coord/config/config.options.js';
export { configProviders } from './coord/config/config.providers.js';
export type { ConfigStatus } from './coord/config/config-health.js';
export type { GetOptions, ReadOptions, Versioned } from './coord/config/config-reader.js';
export type { ConfigSchema } from './coord/config/config-schema.js';
export type { ConfigEvent } from './coord/config/config-event.js';
export type { ConfigTransaction } from './coord/config/config-transaction.js';
export type { WriteOptions } from './coord/config/config-writer.js';
export type { EnvMapping } from './coord/config/env-layer.js';
export { fromClass, type FromClassOptions } from './coord/config/from-class.js';
export type { ConfigHistoryEntry } from './coord/config/history-entry.js';
export type { ConfigRejection, Explanation, LayerName } from './coord/config/layers.js';
export { LiveConfig } from './coord/config/live-config.js';
export { nestConfigBridge, nestConfigLoader, type ConfigSource } from './coord/config/nest-config.js';
export { OnConfigChange, type OnConfigChangeOptions } from './coord/config/on-config-change.decorator.js';
export { refreshable, Refreshable, type RefreshableOptions } from './coord/config/refreshable.js';
export { isSecret, secret, Secret } from './coord/config/secret.js';
export type { SecretPattern } from './coord/config/secret-policy.js';
export type { BeforeApply } from './coord/config/veto.js';

// lock, election, allocator
export type { AllocatedId } from './coord/allocator/allocated-id.js';
export type { AllocateOptions, AllocatorOptions } from './coord/allocator/allocator.options.js';
export { InstanceIdAllocator } from './coord/allocator/instance-id.allocator.js';
export { type CampaignOptions, ElectionService } from './coord/election/election.service.js';
export type { Leader } from './coord/election/leader-watch.js';
export { currentLeadership } from './coord/election/leadership-context.js';
export type { Leadership } from './coord/election/leadership.js';
export { OnLeader } from './coord/election/on-leader.decorator.js';
export type { Compare, KeyRange } from './coord/etcd/kv.js';
export type { ClaimOptions } from './coord/lock/claim.js';
export { currentLock } from './coord/lock/lock-context.js';
export type { Lock } from './coord/lock/lock.js';
export type { LockDoor, ReadWriteLock } from './coord/lock/lock-door.js';
export type { LockOptions } from './coord/lock/lock.options.js';
export { LockService } from './coord/lock/lock.service.js';
export { WithLock, type WithLockOptions } from './coord/lock/with-lock.decorator.js';
