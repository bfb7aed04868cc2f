import type { CoordLogger } from '../etcd/coord-logger.js';
import type { KeyValue } from '../etcd/kv.js';
import { decodeInstance } from './instance-record.js';
import type { ServiceInstance } from './service-instance.js';

/** Reads the keys of one service as instances. One that cannot be read is skipped, and logged once until it changes. */
export class InstanceReader {
  readonly #name: string;
  readonly #keyPrefix: string;
  readonly #logger: CoordLogger;
  readonly #unreadable = new Set<string>();

  /** @param keyPrefix the part of the keys before the id: `/services/{name}/` */
  constructor(name: string, keyPrefix: string, logger: CoordLogger) {
    this.#name = name;
    this.#keyPrefix = keyPrefix;
    this.#logger = logger;
  }

  idOf(key: string): string {
    return key.slice(this.#keyPrefix.length);
  }

  read(key: string, { value }: KeyValue, revision: bigint): ServiceInstance | undefined {
    try {
      const instance = decodeInstance(this.#name, this.idOf(key), value);
      this.#unreadable.delete(key);
      return instance;
    } catch (error) {
      if (!this.#unreadable.has(key)) {
        this.#unreadable.add(key);
        this.#logger.warn('instance skipped: its record cannot be read', {
          key,
          reason: (error as Error).message,
          revision,
        });
      }
      return undefined;
    }
  }

  /** Whether the key is there and cannot be read. */
  skips(key: string): boolean {
    return this.#unreadable.has(key);
  }

  /** The key is gone: what comes under it later is another. */
  forget(key: string): void {
    this.#unreadable.delete(key);
  }
}
