import { resolveCoordOptions, type CoordOptions } from '../../../lib/coord/coord.options.js';
import { EtcdClient } from '../../../lib/coord/etcd/etcd.client.js';
import { silentLogger } from '../../../lib/coord/etcd/coord-logger.js';
import { prefixRange } from '../../../lib/coord/etcd/kv.js';
import type { RoomContext } from '../../../lib/coord/etcd/room-context.js';
import { LockService } from '../../../lib/coord/lock/lock.service.js';
import { resolveService } from '../../../lib/options/service.js';

/** What a room is built on, with a connection of its own, as one process of a service has it. */
export function roomContext(endpoints: readonly string[], options: Partial<CoordOptions> = {}): RoomContext {
  const coord = resolveCoordOptions({ endpoints, ...options });
  return {
    client: EtcdClient.create(coord.etcd),
    endpoints,
    service: resolveService({ name: 'orders' }),
    logger: silentLogger,
    prefixes: coord.prefixes,
    sessionTtl: coord.sessionTtl,
    dialTimeout: coord.etcd.dialTimeout,
  };
}

/** A lock service on a connection of its own. */
export class LockRoom implements AsyncDisposable {
  readonly context: RoomContext;
  #locks: LockService | undefined;

  constructor(endpoints: readonly string[], options?: Partial<CoordOptions>) {
    this.context = roomContext(endpoints, options);
  }

  /** Made when it is first used: a live lock service counts as one more application of this process. */
  get locks(): LockService {
    return (this.#locks ??= new LockService(this.context));
  }

  get client(): EtcdClient {
    return this.context.client;
  }

  /** The keys in etcd below a prefix, in the order in which they were made; without the {@link epochs}. */
  async keys(prefix = '/locks/'): Promise<string[]> {
    return (await this.#below(prefix)).filter((key) => !key.startsWith('/locks//epoch/'));
  }

  /** The keys that sessions have made after an answer was lost, which happens on a busy machine: one each, at most. */
  epochs(): Promise<string[]> {
    return this.#below('/locks//epoch/');
  }

  /** The store's revision now. */
  async revision(): Promise<bigint> {
    return (await this.client.range({ key: '/nothing' })).revision;
  }

  async #below(prefix: string): Promise<string[]> {
    const { kvs } = await this.client.range({
      ...prefixRange(prefix),
      keysOnly: true,
      sort: { by: 'create', order: 'asc' },
    });
    return kvs.map(({ key }) => key);
  }

  async close(): Promise<void> {
    await this.#locks?.close();
    await this.client.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
