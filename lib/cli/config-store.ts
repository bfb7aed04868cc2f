import type { ConfigCodec } from '../coord/config/config-codec.js';
import { ConfigCenter } from '../coord/config/config.center.js';
import { resolveKey, resolvePrefix } from '../coord/config/config-key.js';
import { SecretPolicy } from '../coord/config/secret-policy.js';
import { resolveCoordOptions } from '../coord/coord.options.js';
import { silentLogger } from '../coord/etcd/coord-logger.js';
import { EtcdClient } from '../coord/etcd/etcd.client.js';
import { type KeyValue, prefixRange } from '../coord/etcd/kv.js';
import { EtcdRefusedError } from '../errors/etcd-refused.error.js';
import { resolveService } from '../options/service.js';
import type { CliIo } from './cli-io.js';
import type { ConfigFlags } from './config-flags.js';
import { parseExact, stringifyExact } from './exact-json.js';

/** What etcd takes in one transaction where nobody has changed `--max-txn-ops`. */
const MOST_OPERATIONS = 128;

/** A value as it is in etcd. */
export interface StoredValue {
  readonly key: string;
  readonly version: bigint;
  /** Of JSON what it says, numbers as they are written; else the text. */
  readonly value: unknown;
  /** It is no JSON. */
  readonly text: boolean;
  /** As it stands in etcd. */
  readonly raw: string;
}

/** JSON with numbers as they are written. */
export const exactJson: ConfigCodec = {
  name: 'JSON',
  encode: (value) => stringifyExact(value),
  decode: (bytes) => parseExact(new TextDecoder('utf-8', { fatal: true }).decode(bytes)),
};

/** What the commands work on: one connection, and the centre over it. Whoever opens closes. */
export class ConfigStore implements AsyncDisposable {
  readonly client: EtcdClient;
  readonly config: ConfigCenter;
  readonly secrets: SecretPolicy;
  readonly prefix: string;

  private constructor(client: EtcdClient, config: ConfigCenter, { prefix, secrets }: ConfigFlags) {
    this.client = client;
    this.config = config;
    this.prefix = prefix;
    this.secrets = new SecretPolicy(secrets);
  }

  /** Rejects with an error that names the endpoints when none answers. */
  static async open(flags: ConfigFlags, io: CliIo): Promise<ConfigStore> {
    const { connection, prefix, history, secrets } = flags;
    const { endpoints } = connection;
    const { etcd, ...rest } = resolveCoordOptions({ ...connection, prefixes: { config: prefix } });
    const client = EtcdClient.create(etcd);
    const service = resolveService({ name: 'im-infra-cli' });
    const { dialTimeout } = etcd;
    const context = { client, endpoints, service, logger: silentLogger, dialTimeout, ...rest };
    const store = new ConfigStore(client, new ConfigCenter(context, { history, secrets }), flags);
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

  isKey(word: string): boolean {
    try {
      return this.key(word) === word;
    } catch {
      return false;
    }
  }

  folder(word: string): string {
    return word === '' ? `${this.prefix}/` : resolvePrefix(this.#space, word);
  }

  async list(prefix: string, signal: AbortSignal): Promise<StoredValue[]> {
    const { kvs } = await this.client.range(prefixRange(prefix), { signal });
    return kvs.map(toStored);
  }

  /** Whether etcd takes so many operations in one transaction: its operators can raise the limit. */
  async takes(operations: number, signal: AbortSignal): Promise<boolean> {
    if (operations <= MOST_OPERATIONS) return true;
    const read = { range: { key: this.prefix, countOnly: true } };
    try {
      await this.client.commit({ success: Array.from({ length: operations }, () => read) }, { signal });
      return true;
    } catch (error) {
      if (error instanceof EtcdRefusedError) return false;
      throw error;
    }
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
  const raw = value.toString();
  try {
    return { key, version: modRevision, value: parseExact(raw), text: false, raw };
  } catch {
    return { key, version: modRevision, value: raw, text: true, raw };
  }
}
