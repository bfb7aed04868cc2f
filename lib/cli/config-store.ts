import { ConfigCenter } from '../coord/config/config.center.js';
import { resolveKey, resolvePrefix } from '../coord/config/config-key.js';
import { SecretPolicy } from '../coord/config/secret-policy.js';
import { resolveCoordOptions } from '../coord/coord.options.js';
import { silentLogger } from '../coord/etcd/coord-logger.js';
import { EtcdClient } from '../coord/etcd/etcd.client.js';
import { type KeyValue, prefixRange } from '../coord/etcd/kv.js';
import { resolveService } from '../options/service.js';
import type { CliIo } from './cli-io.js';
import type { ConfigFlags } from './config-flags.js';

/** A value as it is in etcd. */
export interface StoredValue {
  readonly key: string;
  readonly version: bigint;
  readonly value: unknown;
  /** It is no JSON. */
  readonly text: boolean;
}

/** What the commands work on: one connection, and the centre over it. Whoever opens closes. */
export class ConfigStore implements AsyncDisposable {
  readonly client: EtcdClient;
  readonly config: ConfigCenter;
  readonly secrets = new SecretPolicy();
  readonly prefix: string;

  private constructor(client: EtcdClient, config: ConfigCenter, prefix: string) {
    this.client = client;
    this.config = config;
    this.prefix = prefix;
  }

  /** Rejects with an error that names the endpoints when none answers. */
  static async open({ connection, prefix, history }: ConfigFlags, io: CliIo): Promise<ConfigStore> {
    const { endpoints } = connection;
    const { etcd, ...rest } = resolveCoordOptions({ ...connection, prefixes: { config: prefix } });
    const client = EtcdClient.create(etcd);
    const service = resolveService({ name: 'im-infra-cli' });
    const { dialTimeout } = etcd;
    const context = { client, endpoints, service, logger: silentLogger, dialTimeout, ...rest };
    const store = new ConfigStore(client, new ConfigCenter(context, { history }), prefix);
    try {
      await client.ready({ signal: io.signal });
      return store;
    } catch (error) {
      await store[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** `/config/dev/orders/db` of itself or of `dev/orders/db`. */
  key(word: string): string {
    return resolveKey(this.#space, word);
  }

  folder(word: string): string {
    return word === '' ? `${this.prefix}/` : resolvePrefix(this.#space, word);
  }

  async list(prefix: string, signal: AbortSignal): Promise<StoredValue[]> {
    const { kvs } = await this.client.range(prefixRange(prefix), { signal });
    return kvs.map(toStored);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.config.close();
    await this.client.close();
  }

  get #space() {
    return { service: this.prefix, global: this.prefix, roots: [this.prefix] };
  }
}

export function toStored({ key, value, modRevision }: KeyValue): StoredValue {
  const text = value.toString();
  try {
    return { key, version: modRevision, value: JSON.parse(text) as unknown, text: false };
  } catch {
    return { key, version: modRevision, value: text, text: true };
  }
}
