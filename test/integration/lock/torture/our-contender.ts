import { silentLogger } from '../../../../lib/coord/etcd/coord-logger.js';
import type { EtcdClient } from '../../../../lib/coord/etcd/etcd.client.js';
import type { RoomContext } from '../../../../lib/coord/etcd/room-context.js';
import type { Lock } from '../../../../lib/coord/lock/lock.js';
import { LockService } from '../../../../lib/coord/lock/lock.service.js';
import { resolveService } from '../../../../lib/options/service.js';
import type { Contender } from './contender.js';

export class OurContender implements Contender {
  readonly #locks: LockService;

  constructor(client: EtcdClient, prefixes: RoomContext['prefixes'], name: string) {
    this.#locks = new LockService({
      client,
      service: resolveService({ name }),
      logger: silentLogger,
      prefixes,
    });
  }

  acquire(key: string, options: { ttl: number; timeout: number; signal?: AbortSignal }): Promise<Lock> {
    return this.#locks.acquire(key, options);
  }

  close(): Promise<void> {
    return this.#locks.close();
  }
}
