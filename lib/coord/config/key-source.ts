import type { CallOptions } from '../etcd/etcd.options.js';
import type { KeyValue } from '../etcd/kv.js';
import type { ConfigScope, Interest, ScopeObserver } from './config-scope.js';

/** Some keys, or all below a prefix, wherever they are kept in memory. Whoever took it out releases it. */
export interface KeySource {
  /** Whether it is known what each of the keys is. */
  readonly known: boolean;
  /** Resolves when it is known; rejects when `options` run out first. */
  ready(options?: CallOptions): Promise<void>;
  /** Resolves once this process's own writes are seen, or after `timeout` ms. */
  caughtUp(timeout: number): Promise<void>;
  lookup(key: string): KeyValue | undefined;
  /** The revision that the key's state is at. */
  revisionOf(key: string): bigint;
  entries(): Iterable<KeyValue>;
  covers(key: string): boolean;
  observe(observer: ScopeObserver): () => void;
  release(): void;
}

/** A source over keys in one scope or in several. */
export class ScopedKeys implements KeySource {
  readonly #interest: Interest;
  readonly #placed: ReadonlyMap<ConfigScope, readonly string[]>;
  readonly #scopeOf = new Map<string, ConfigScope>();
  readonly #release: () => void;

  constructor(interest: Interest, placed: ReadonlyMap<ConfigScope, readonly string[]>, release: () => void) {
    this.#interest = interest;
    this.#placed = placed;
    for (const [scope, names] of placed) for (const name of names) this.#scopeOf.set(name, scope);
    this.#release = release;
  }

  get known(): boolean {
    return [...this.#placed].every(([scope, names]) => names.every((name) => scope.knows(name)));
  }

  async ready(options?: CallOptions): Promise<void> {
    await Promise.all([...this.#placed].map(([scope, names]) => scope.ready(names, options)));
  }

  async caughtUp(timeout: number): Promise<void> {
    await Promise.all([...this.#placed.keys()].map((scope) => scope.caughtUp(timeout)));
  }

  lookup(key: string): KeyValue | undefined {
    return this.#keeperOf(key)?.state.entries.get(key);
  }

  revisionOf(key: string): bigint {
    return this.#keeperOf(key)?.state.revision ?? 0n;
  }

  *entries(): Iterable<KeyValue> {
    for (const [scope, names] of this.#placed) {
      if ('keys' in this.#interest) {
        for (const name of names) {
          const entry = scope.state.entries.get(name);
          if (entry) yield entry;
        }
      } else {
        for (const entry of scope.state.entries.values()) {
          if (entry.key.startsWith(this.#interest.prefix)) yield entry;
        }
      }
    }
  }

  covers(key: string): boolean {
    return 'keys' in this.#interest
      ? this.#interest.keys.includes(key)
      : key.startsWith(this.#interest.prefix);
  }

  observe(observer: ScopeObserver): () => void {
    const stops = [...this.#placed].map(([scope, names]) =>
      scope.observe('keys' in this.#interest ? { keys: names } : this.#interest, observer),
    );
    return () => stops.forEach((stop) => stop());
  }

  release(): void {
    this.#release();
  }

  /** The scope that the key is observed in: a wider one may have it too, and be told of it before or after. */
  #keeperOf(key: string): ConfigScope | undefined {
    return 'keys' in this.#interest ? this.#scopeOf.get(key) : [...this.#placed.keys()][0];
  }
}
