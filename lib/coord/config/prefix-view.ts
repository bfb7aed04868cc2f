import type { KeyValue } from '../etcd/kv.js';
import type { ConfigCodec } from './config-codec.js';
import type { ConfigDecoder } from './config-decoder.js';
import { type ConfigSchema, type Validated, validate } from './config-schema.js';
import type { ScopeChange } from './config-scope.js';
import { deepFreeze } from './deep-freeze.js';
import { Feed } from './feed.js';
import type { KeySource } from './key-source.js';
import type { ConfigRejection } from './layers.js';
import type { ThrownReport } from '../etcd/safe-observable.js';

export interface PrefixViewDeps<T> {
  readonly source: KeySource;
  readonly decoder: ConfigDecoder;
  readonly codec: ConfigCodec;
  readonly schema?: ConfigSchema<T>;
  readonly report: ThrownReport;
  readonly onRejection: (rejection: ConfigRejection) => void;
}

/**
 * All keys below a prefix as one map: a new map for each etcd revision that touches one of them, so keys that were written
 * together are seen together. A key with a bad value keeps its last good one; one that never had a good one is left out.
 */
export class PrefixView<T> {
  readonly maps: Feed<ReadonlyMap<string, T>>;
  readonly #deps: PrefixViewDeps<T>;
  readonly #stop: () => void;
  #values = new Map<string, T>();
  /** Revisions whose values are still being validated, in order. Without an asynchronous schema there are none. */
  #pending: Promise<void> | undefined;
  #closed = false;

  constructor(deps: PrefixViewDeps<T>) {
    this.#deps = deps;
    this.maps = new Feed(deps.report);
    let started = deps.source.known;
    this.#stop = deps.source.observe((change) => {
      if (!deps.source.known) return undefined;
      const changes = started ? change.changes : this.#everything();
      started = true;
      return this.#take(changes);
    });
    if (started) this.#take(this.#everything())?.();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stop();
    this.#deps.source.release();
    this.maps.close();
  }

  #everything(): ScopeChange['changes'] {
    return [...this.#deps.source.entries()].map((current) => ({
      key: current.key,
      previous: undefined,
      current,
    }));
  }

  #take(changes: ScopeChange['changes']): (() => void) | undefined {
    const covered = changes.filter(({ key }) => this.#deps.source.covers(key));
    const results = covered.map(({ current }) => current && this.#read(current));
    const mustWait = this.#pending !== undefined || results.some((result) => result instanceof Promise);
    if (!mustWait) return this.#apply(covered, results as (Validated<T> | undefined)[]);
    const before = this.#pending ?? Promise.resolve();
    const turn = before
      .then(() => Promise.all(results.map(async (result) => result)))
      .then((settled) => {
        if (this.#pending === turn) this.#pending = undefined;
        if (!this.#closed) this.#apply(covered, settled)();
      })
      .catch(this.#deps.report);
    this.#pending = turn;
    return undefined;
  }

  #read(entry: KeyValue): Validated<T> | Promise<Validated<T>> {
    const decoded = this.#deps.decoder.decode(entry, this.#deps.codec);
    return decoded.issues ? decoded : validate(this.#deps.schema, decoded.value);
  }

  #apply(changes: ScopeChange['changes'], results: readonly (Validated<T> | undefined)[]): () => void {
    const values = new Map(this.#values);
    const rejections: ConfigRejection[] = [];
    changes.forEach(({ key, current }, at) => {
      const result = results[at];
      if (!current || !result) values.delete(key);
      else if (result.issues) rejections.push({ key, revision: current.modRevision, issues: result.issues });
      else values.set(key, deepFreeze(result.value));
    });
    this.#values = values;
    return () => {
      for (const rejection of rejections) this.#deps.onRejection(rejection);
      this.maps.next(values);
    };
  }
}
