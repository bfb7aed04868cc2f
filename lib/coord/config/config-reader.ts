import { ConfigInvalidError } from '../../errors/config-invalid.error.js';
import { ConfigNotFoundError } from '../../errors/config-not-found.error.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import { type KeyValue, prefixRange, type RangeResult } from '../etcd/kv.js';
import { type ConfigCodec, type ConfigCodecOption, resolveCodec } from './config-codec.js';
import type { ConfigDecoder } from './config-decoder.js';
import { type ConfigSchema, checkSchema, type Validated, validate } from './config-schema.js';
import { copyOf, deepFreeze } from './deep-freeze.js';
import type { ScopeSet } from './scope-set.js';
import type { SecretPolicy } from './secret-policy.js';

export interface ReadOptions extends CallOptions {
  /** Asks etcd instead of reading from memory, which may be a network delay behind other writers. @default false */
  readonly linearizable?: boolean;
}

export interface GetOptions<T> extends ReadOptions {
  /** The value must satisfy it; gives the type. @default any JSON */
  readonly schema?: ConfigSchema<T>;
  /** What a key is that does not exist. @default `ConfigNotFoundError` */
  readonly default?: T;
  /** How the key is written. @default the centre's codec, JSON */
  readonly codec?: ConfigCodecOption;
}

export interface Versioned<T> {
  /** Deeply frozen: it is shared. */
  readonly value: T;
  /** The key's mod revision; `0n` when the default stands in for a key that does not exist. */
  readonly version: bigint;
}

/** How long a read waits for this process's own newest write to come back by the watch, before it asks etcd. */
const OWN_WRITE_WAIT = 250;

/** Reads from memory, or from etcd where memory cannot know. */
export class ConfigReader {
  readonly #client: Pick<EtcdClient, 'range'>;
  readonly #scopes: ScopeSet;
  readonly #decoder: ConfigDecoder;
  readonly #secrets: SecretPolicy;
  readonly #codec: ConfigCodecOption;

  constructor(
    client: Pick<EtcdClient, 'range'>,
    scopes: ScopeSet,
    decoder: ConfigDecoder,
    secrets: SecretPolicy,
    codec: ConfigCodecOption,
  ) {
    this.#client = client;
    this.#scopes = scopes;
    this.#decoder = decoder;
    this.#secrets = secrets;
    this.#codec = codec;
  }

  async get<T>(key: string, options: GetOptions<T>): Promise<Versioned<T>> {
    checkSchema('schema', options.schema);
    const codec = resolveCodec(options.codec ?? this.#codec);
    const entry = await this.#entry(key, options);
    if (!entry) {
      if (options.default !== undefined) return { value: deepFreeze(copyOf(options.default)), version: 0n };
      throw new ConfigNotFoundError(`configuration ${key} does not exist: set it, or give a default`);
    }
    const judged = this.judge(entry, codec, options.schema);
    const value = judged instanceof Promise ? await judged : judged;
    return { value: deepFreeze(value), version: entry.modRevision };
  }

  /** What the entry's bytes are, as the schema makes it. Throws, or rejects with, a `ConfigInvalidError`. */
  judge<T>(entry: KeyValue, codec: ConfigCodec, schema: ConfigSchema<T> | undefined): T | Promise<T> {
    const { key } = entry;
    const decoded = this.#decoder.decode(entry, codec);
    if (decoded.issues) throw new ConfigInvalidError(key, decoded.issues);
    if (!schema) return decoded.value as T;
    const accept = (result: Validated<T>): T => {
      if (result.issues) throw new ConfigInvalidError(key, result.issues);
      this.#secrets.learn([key], result.value, decoded.value);
      return result.value;
    };
    const result = validate(schema, decoded.value);
    return result instanceof Promise ? result.then(accept) : accept(result);
  }

  async list(prefix: string, options: ReadOptions): Promise<string[]> {
    const scope = options.linearizable ? undefined : this.#scopes.standing(prefix);
    if (scope) {
      await scope.ready([prefix], options);
      if (await scope.caughtUp(OWN_WRITE_WAIT)) {
        return [...scope.state.entries.keys()].filter((key) => key.startsWith(prefix)).sort();
      }
    }
    const { kvs } = await this.#client.range({ ...prefixRange(prefix), keysOnly: true }, options);
    return kvs.map(({ key }) => key);
  }

  /** Asks etcd. */
  read(key: string, { signal, timeout }: CallOptions): Promise<RangeResult> {
    const call = { ...(signal && { signal }), ...(timeout !== undefined && { timeout }) };
    return this.#client.range({ key }, call);
  }

  async #entry(key: string, options: ReadOptions): Promise<KeyValue | undefined> {
    const scope = options.linearizable ? undefined : this.#scopes.standing(key);
    if (scope) {
      // Nothing to wait for, as nearly always: two promises less.
      if (scope.isCurrent(key)) return scope.state.entries.get(key);
      await scope.ready([key], options);
      if (await scope.caughtUp(OWN_WRITE_WAIT)) return scope.state.entries.get(key);
    }
    const { kvs } = await this.read(key, options);
    return kvs[0];
  }
}
