import type { Observable } from 'rxjs';
import { ClosedError } from '../../errors/closed.error.js';
import { ConfigNotFoundError } from '../../errors/config-not-found.error.js';
import { ValidationError } from '../../errors/validation.error.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import type { RoomContext } from '../etcd/room-context.js';
import type { LiveOptions, SetOptions, WatchKeyOptions, WatchOptions } from './config-call.options.js';
import { type ConfigCodecOption, resolveCodec } from './config-codec.js';
import type { ConfigStatus } from './config-health.js';
import { resolveKey, resolvePrefix } from './config-key.js';
import { ConfigParts } from './config-parts.js';
import type { GetOptions, ReadOptions, Versioned } from './config-reader.js';
import { type ConfigSchema, checkSchema } from './config-schema.js';
import type { ConfigEvent } from './config-event.js';
import { type ConfigTransaction, futureOf, TransactionBuilder } from './config-transaction.js';
import type { WriteOptions } from './config-writer.js';
import type { ConfigDefinition } from './config.definition.js';
import { type ConfigOptions, type ResolvedConfigOptions, resolveConfigOptions } from './config.options.js';
import { type ConfigHistoryEntry, showEntry } from './history-entry.js';
import type { LiveConfig } from './live-config.js';
import { ViewPlans } from './view-plans.js';

/**
 * Configuration in etcd: typed, validated, live. Keys are absolute (`/config/dev/orders/db`) or relative to
 * `/config/{env}/{service}/` (`db`); answers name them absolutely. Values come from memory, frozen, because they are shared.
 */
export class ConfigCenter {
  readonly #options: ResolvedConfigOptions;
  readonly #parts: ConfigParts;
  readonly #plans: ViewPlans;
  #closed: Promise<void> | undefined;

  constructor(context: RoomContext, options?: ConfigOptions) {
    this.#options = resolveConfigOptions(context, options);
    this.#parts = new ConfigParts(context, this.#options);
    this.#plans = new ViewPlans(this.#options);
  }

  /** Whether what the centre shows is current, and which keys are refused. Replays the latest; never errors. */
  get status$(): Observable<ConfigStatus> {
    return this.#parts.health.status$;
  }

  get status(): ConfigStatus {
    return this.#parts.health.status;
  }

  /**
   * The value of a key. Own writes are always seen; those of others after a network delay, or at once with `linearizable`.
   * Rejects with `ConfigNotFoundError`, `ConfigInvalidError` or, when it cannot be known in time, `CoordUnavailableError`.
   */
  async get<T = unknown>(key: string, options: GetOptions<T> = {}): Promise<T> {
    return (await this.#parts.reader.get(this.#key(key), options)).value;
  }

  /** The value and its version (mod revision), for {@link compareAndSet}. */
  async getWithVersion<T = unknown>(key: string, options: GetOptions<T> = {}): Promise<Versioned<T>> {
    const name = this.#key(key);
    return this.#parts.reader.get(name, options);
  }

  /** Writes a value and resolves with its version. A value that a known schema refuses is not written. */
  async set<T>(key: string, value: T, options: SetOptions<T> = {}): Promise<bigint> {
    const { codec, schema, ...write } = options;
    const transaction = this.#begin(codec).set(key, value);
    await this.#satisfy(transaction, codec, schema);
    return (await this.#parts.writer.write(transaction, write)).revision;
  }

  /** Writes only if the key has `expectedVersion` (`0n`: does not exist); else `ConfigConflictError` with the actual one. */
  async compareAndSet<T>(
    key: string,
    value: T,
    expectedVersion: bigint,
    options: SetOptions<T> = {},
  ): Promise<bigint> {
    const { codec, schema, ...write } = options;
    const transaction = this.#begin(codec).expect(key, expectedVersion).set(key, value);
    await this.#satisfy(transaction, codec, schema);
    return (await this.#parts.writer.write(transaction, write)).revision;
  }

  /** Resolves with whether the key was there to delete. */
  async delete(key: string, options: WriteOptions = {}): Promise<boolean> {
    return (await this.#parts.writer.write(this.#begin().delete(key), options)).deleted > 0;
  }

  /** The absolute keys below a prefix, sorted. Prefixes end at segments: `app` does not take in `app2/x`. */
  async list(prefix = '', options: ReadOptions = {}): Promise<string[]> {
    this.#assertOpen();
    return this.#parts.reader.list(resolvePrefix(this.#options.space, prefix), options);
  }

  /**
   * Writes several keys in one revision, or none: watchers see one change. Resolves with the revision.
   * @example await config.transaction((tx) => tx.set('a', 1).set('b', 2).expect('a', version));
   */
  async transaction(
    compose: (transaction: ConfigTransaction) => unknown,
    options: WriteOptions & { readonly codec?: ConfigCodecOption } = {},
  ): Promise<bigint> {
    const { codec, ...write } = options;
    if (typeof compose !== 'function') {
      throw new ValidationError('transaction', 'a function, (tx) => tx.set(key, value)', compose);
    }
    const builder = this.#begin(codec);
    await compose(builder);
    return (await this.#parts.writer.write(builder, write)).revision;
  }

  /** The current value, then every change; `undefined` while the key does not exist. Bad values are logged and passed over. */
  watch<T = unknown>(key: string, options: WatchKeyOptions<T> = {}): Observable<T | undefined> {
    return this.#parts.streams.value(this.#plans.watched(key, options));
  }

  /** The service's own value of `name`, else the one all services share (`global`), else `undefined`: now and at every change. */
  watchNearest<T = unknown>(name: string, options: WatchKeyOptions<T> = {}): Observable<T | undefined> {
    return this.#parts.streams.value(this.#plans.nearest(name, options));
  }

  /** All values below a prefix by absolute key: a new map for each revision of etcd that changes one of them. */
  watchPrefix<T = unknown>(
    prefix: string,
    options: WatchOptions<T> = {},
  ): Observable<ReadonlyMap<string, T>> {
    const name = resolvePrefix(this.#options.space, prefix);
    checkSchema('schema', options.schema);
    return this.#parts.streams.map(name, resolveCodec(options.codec ?? this.#options.codec), options.schema);
  }

  /** What happens from now on to a key and to all below it, for tools: secrets are not shown. */
  events<T = unknown>(
    keyOrPrefix: string,
    options: { readonly codec?: ConfigCodecOption } = {},
  ): Observable<ConfigEvent<T>> {
    const folder = resolvePrefix(this.#options.space, keyOrPrefix, 'keyOrPrefix');
    const isFolder = keyOrPrefix === '' || keyOrPrefix.endsWith('/');
    const start = isFolder ? folder : folder.slice(0, -1);
    const matches = (key: string): boolean => key === start || key.startsWith(folder);
    return this.#parts.streams.events<T>(start, matches, resolveCodec(options.codec ?? this.#options.codec));
  }

  /** What the key was, the newest first, as far as writes with `history` on have kept it. Secrets are not shown. */
  async history(
    key: string,
    options: CallOptions & { readonly codec?: ConfigCodecOption } = {},
  ): Promise<readonly ConfigHistoryEntry[]> {
    const name = this.#key(key);
    const codec = resolveCodec(options.codec ?? this.#options.codec);
    const entries = await this.#parts.history.list(name, options);
    return entries.map((entry) => showEntry(entry, name, codec, this.#options.secrets));
  }

  /** Makes the value that the key had at `version` its value again, unless somebody writes it meanwhile. */
  async rollback(key: string, version: bigint, options: SetOptions<unknown> = {}): Promise<bigint> {
    const name = this.#key(key);
    const { codec, schema, ...write } = options;
    // Before the history: what somebody writes from now on is a conflict.
    const { kvs } = await this.#parts.reader.read(name, write);
    const entry = (await this.#parts.history.list(name, write)).find((each) => each.version === version);
    if (!entry?.bytes) {
      throw new ConfigNotFoundError(
        `configuration ${name} has no value of version ${version} in its history`,
      );
    }
    const transaction = this.#begin(codec)
      .expect(name, kvs[0]?.modRevision ?? 0n)
      .setBytes(name, entry.bytes);
    // Without one the bytes may be what they like: the history has them.
    if (schema !== undefined) await this.#satisfy(transaction, codec, schema);
    const reason = write.reason ?? `rollback to ${version}`;
    return (await this.#parts.writer.write(transaction, { ...write, reason, record: this.#parts.history }))
      .revision;
  }

  /**
   * A value that is always there and always valid. By a definition it has layers; by a key it is that key's value.
   * Rejects with an error that names the key and each issue when there is neither a good value nor a default.
   */
  async live<T = unknown>(
    target: string | ConfigDefinition<T>,
    options: LiveOptions<T> = {},
  ): Promise<LiveConfig<T>> {
    this.#assertOpen();
    const { signal, timeout, ...rest } = options;
    const { name, plan } = this.#plans.live(target, rest);
    return this.#parts.live.open(name, plan, {
      ...(signal && { signal }),
      ...(timeout !== undefined && { timeout }),
    });
  }

  /** Completes all observables and closes the watches. What was read stays readable. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#parts.close();
    return this.#closed;
  }

  /** Judges what readers will find: of a value that has secrets the schema sees what they hide. */
  async #satisfy(
    { writes }: TransactionBuilder,
    codec: ConfigCodecOption | undefined,
    schema: ConfigSchema<unknown> | undefined,
  ): Promise<void> {
    checkSchema('schema', schema);
    for (const entry of futureOf(writes).values()) {
      if (entry) await this.#parts.reader.judge(entry, resolveCodec(codec ?? this.#options.codec), schema);
    }
  }

  #begin(codec?: ConfigCodecOption): TransactionBuilder {
    this.#assertOpen();
    return new TransactionBuilder(this.#options.space, codec ?? this.#options.codec);
  }

  #key(key: string): string {
    this.#assertOpen();
    return resolveKey(this.#options.space, key);
  }

  #assertOpen(): void {
    if (this.#closed) throw new ClosedError('the configuration centre is closed');
  }
}
