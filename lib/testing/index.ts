// etcd for tests and development
export { EmbeddedEtcd, type EmbeddedEtcdOptions } from './embedded-etcd.js';
export { EtcdNotAvailableError } from './etcd-not-available.error.js';
export { EtcdProcess, type EtcdProcessOptions } from './etcd-process.js';
export { startEtcd, type StartEtcdOptions } from './start-etcd.js';
export { type EtcdKind, type StartedEtcd } from './started-etcd.js';
