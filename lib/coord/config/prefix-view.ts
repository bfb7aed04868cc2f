import type { KeyValue } from '../etcd/kv.js';
import type { ConfigCodec } from './config-codec.js';
import type { ConfigDecoder } from './config-decoder.js';
import { type ConfigSchema, type Validated, validate } from './config-schema.js';
import type { ScopeChange } from './config-scope.js';
import { deepFreeze } from './deep-freeze.js';
import { Feed } from './feed.js';
import type { Judge } from './judgements.js';
import type { KeySource } from './key-source.js';
import type { ConfigRejection } from './layers.js';
import type { ThrownReport } from '../etcd/safe-observable.js';

export interface PrefixViewDeps<T> {
  readonly source: KeySource;
  readonly decoder: ConfigDecoder;
  readonly codec: ConfigCodec;
  readonly schema?: ConfigSchema<T>;
  readonly report: ThrownReport;
  /** Told of each value that the schema made, of what it made it, and where that stood, before anybody else is. */
  readonly onValid: (value: unknown, input: unknown, entry: KeyValue) => void;
  /** Told of each refused value, and with `undefined` when a good one of the key follows or the key goes away. */
  readonly onRejection: (rejection: ConfigRejection | undefined, key: string) => void;
  /** Told when a judgement that took its time is over, whatever it was. */
  readonly onJudged: () => void;
}

/** What became of one key. */
interface Verdict<T> {
  readonly key: string;
  readonly revision: bigint;
  /** `undefined`: the key is gone. */
  readonly result: Validated<T> | undefined;
}

/**
 * All keys below a prefix as one map: a new map for each etcd revision that touches one of them, so keys that were written
 * together are seen together. A key with a bad value keeps its last good one; one that never had a good one is left out.
 */
export class PrefixView<T> implements Judge {
  readonly maps: Feed<ReadonlyMap<string, T>>;
  readonly #deps: PrefixViewDeps<T>;
  readonly #stop: () => void;
  readonly #refused = new Set<string>();
  #values = new Map<string, T>();
  /** Changes whose values are still being validated, in order. Without an asynchronous schema there are none. */
  readonly #pending: { readonly keys: readonly string[] }[] = [];
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(deps: PrefixViewDeps<T>) {
    this.#deps = deps;
    this.maps = new Feed(deps.report);
    let started = deps.source.known;
    this.#stop = deps.source.observe((change) => {
      if (!deps.source.known) return undefined;
      if (started) {
        const covered = change.changes.filter(({ key }) => deps.source.covers(key));
        return covered.length > 0 ? this.#take(covered) : undefined;
      }
      started = true;
      return this.#take(this.#everything());
    });
    if (started) this.#take(this.#everything())?.();
  }

  get doubted(): readonly string[] {
    return [...this.#refused, ...this.#pending.flatMap(({ keys }) => keys)];
  }

  get refused(): readonly string[] {
    return [...this.#refused];
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
    const verdicts = changes.map(({ key, current }) => this.#judge(key, current));
    const now = verdicts.filter((each): each is Verdict<T> => !(each instanceof Promise));
    if (this.#pending.length === 0 && now.length === verdicts.length) return this.#apply(now);
    const pending = { keys: changes.map(({ key }) => key) };
    this.#pending.push(pending);
    this.#last = this.#finish(this.#last, Promise.all(verdicts.map(async (each) => each)));
    return undefined;
  }

  async #finish(before: Promise<void>, judged: Promise<readonly Verdict<T>[]>): Promise<void> {
    const [outcome] = await Promise.allSettled([judged, before]);
    this.#pending.shift();
    try {
      if (outcome.status === 'rejected') throw outcome.reason;
      if (!this.#closed) this.#apply(outcome.value)();
    } catch (error) {
      this.#deps.report(error);
    }
    this.#deps.onJudged();
  }

  #judge(key: string, entry: KeyValue | undefined): Verdict<T> | Promise<Verdict<T>> {
    const { decoder, codec, schema, onValid } = this.#deps;
    if (!entry) return { key, revision: 0n, result: undefined };
    const revision = entry.modRevision;
    const decoded = decoder.decode(entry, codec);
    if (decoded.issues || !schema) return { key, revision, result: decoded as Validated<T> };
    const verdict = (result: Validated<T>): Verdict<T> => {
      if (!result.issues) onValid(result.value, decoded.value, entry);
      return { key, revision, result };
    };
    const result = validate(schema, decoded.value);
    return result instanceof Promise ? result.then(verdict) : verdict(result);
  }

  #apply(verdicts: readonly Verdict<T>[]): () => void {
    const values = new Map(this.#values);
    const told: (() => void)[] = [];
    for (const { key, revision, result } of verdicts) {
      if (result?.issues) {
        this.#refused.add(key);
        told.push(() => this.#deps.onRejection({ key, revision, issues: result.issues }, key));
        continue;
      }
      if (result) values.set(key, deepFreeze(result.value));
      else values.delete(key);
      if (this.#refused.delete(key)) told.push(() => this.#deps.onRejection(undefined, key));
    }
    this.#values = values;
    return () => {
      for (const tell of told) tell();
      this.maps.next(values);
    };
  }
}
