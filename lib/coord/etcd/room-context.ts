import type { ResolvedService } from '../../options/service.js';
import type { CoordLogger } from './coord-logger.js';
import type { EtcdClient } from './etcd.client.js';

/** Where each room keeps its keys: absolute, without a slash at the end. */
export interface Prefixes {
  readonly services: string;
  readonly config: string;
  readonly locks: string;
  readonly elections: string;
  readonly allocators: string;
}

export interface SnapshotOptions {
  /** The folder that last-known-good configuration and endpoints are kept in. */
  readonly dir: string;
  /** Older snapshots are not used, in ms. */
  readonly maxAge: number;
}

/** What every room is built on. The rooms do not own it: whoever made the client closes it after them. */
export interface RoomContext {
  readonly client: EtcdClient;
  /** The configured endpoints, each `host:port`. They tell one etcd from another: cluster ids do not, see the registry's table. */
  readonly endpoints: readonly string[];
  readonly service: ResolvedService;
  readonly logger: CoordLogger;
  readonly prefixes: Prefixes;
  /** The TTL of registrations, elections and ids, in ms. */
  readonly sessionTtl: number;
  /** How long a start may wait for etcd, in ms. */
  readonly dialTimeout: number;
  readonly snapshot?: SnapshotOptions;
}
