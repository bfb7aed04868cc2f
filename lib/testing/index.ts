// etcd for tests and development
export { EmbeddedEtcd, type EmbeddedEtcdOptions } from './embedded-etcd.js';
export { EmbeddedFaults } from './embedded-faults.js';
export { EtcdNotAvailableError } from './etcd-not-available.error.js';
export { EtcdProcess, type EtcdProcessOptions, type RestartOptions } from './etcd-process.js';
export { startEtcd, type StartEtcdOptions } from './start-etcd.js';
export { type EtcdKind, type StartedEtcd } from './started-etcd.js';

// faults
export { FaultProxy, type FaultProxyOptions } from './faults/fault-proxy.js';
export { FrameRule, type Direction, type FrameHit, type FrameRuleOptions } from './faults/frame-rule.js';
export { ProxiedConnection } from './faults/proxied-connection.js';
export { SeededRandom } from './faults/seeded-random.js';

// logs
export { ObservedClog, ObservedLogs, observeClog, type ObservedLine } from './observe-clog.js';
