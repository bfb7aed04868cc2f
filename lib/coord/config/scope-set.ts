import { ClosedError } from '../../errors/closed.error.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import { type KeyRange, prefixRange } from '../etcd/kv.js';
import { ConfigScope, type Interest } from './config-scope.js';
import { type KeySource, ScopedKeys } from './key-source.js';
import type { ThrownReport } from '../etcd/safe-observable.js';

/** Told when a scope is first used: a cold start may want to give it a snapshot. */
export type ScopeOpened = (scope: ConfigScope, prefix: string) => void;

/**
 * Which mirror keeps which key. The standing scopes (`/config/{env}/` and what the options add) have one mirror each, from
 * their first use to the end; a key or prefix outside gets a mirror of its own, shared by all who look and closed with the last.
 */
export class ScopeSet {
  readonly #client: Pick<EtcdClient, 'mirror'>;
  readonly #prefixes: readonly string[];
  readonly #report: ThrownReport;
  readonly #opened: ScopeOpened;
  readonly #standing = new Map<string, ConfigScope>();
  /** By range: a key and all that starts like it are two. */
  readonly #passing = new Map<string, { readonly scope: ConfigScope; users: number }>();
  #closed = false;

  /** @param prefixes of the standing scopes, each with its closing `/`. */
  constructor(
    client: Pick<EtcdClient, 'mirror'>,
    prefixes: readonly string[],
    report: ThrownReport,
    opened: ScopeOpened,
  ) {
    this.#client = client;
    // The longest first: a key belongs to the narrowest scope that has it.
    this.#prefixes = [...prefixes].sort((a, b) => b.length - a.length);
    this.#report = report;
    this.#opened = opened;
  }

  /** The standing scope that `name` (a key, or a prefix) lies in, for a read of it. */
  standing(name: string): ConfigScope | undefined {
    const scope = this.#standingScope(name);
    scope?.use(name);
    return scope;
  }

  source(interest: Interest): KeySource {
    this.#assertOpen();
    const placed = new Map<ConfigScope, string[]>();
    const releases: (() => void)[] = [];
    for (const name of 'keys' in interest ? interest.keys : [interest.prefix]) {
      let scope = this.#standingScope(name);
      if (scope) releases.push(scope.hold(name));
      else {
        const range = 'keys' in interest ? { key: name } : prefixRange(name);
        scope = this.#borrow(range);
        releases.push(() => this.#giveBack(range));
      }
      placed.set(scope, [...(placed.get(scope) ?? []), name]);
    }
    let released = false;
    return new ScopedKeys(interest, placed, () => {
      if (released) return;
      released = true;
      for (const release of releases) release();
    });
  }

  /** The scopes in use now that keep `key`. */
  open(key: string): readonly ConfigScope[] {
    return this.all().filter((scope) => scope.covers(key));
  }

  /** The scopes in use now. */
  all(): readonly ConfigScope[] {
    return [...this.#standing.values(), ...[...this.#passing.values()].map(({ scope }) => scope)];
  }

  close(): void {
    if (this.#closed) return;
    const scopes = this.all();
    this.#closed = true;
    for (const scope of scopes) scope.close();
    this.#standing.clear();
    this.#passing.clear();
  }

  #standingScope(name: string): ConfigScope | undefined {
    this.#assertOpen();
    const prefix = this.#prefixes.find((each) => name.startsWith(each));
    if (prefix === undefined) return undefined;
    let scope = this.#standing.get(prefix);
    if (!scope) {
      scope = new ConfigScope(this.#client, prefixRange(prefix), this.#report);
      this.#standing.set(prefix, scope);
      this.#opened(scope, prefix);
    }
    return scope;
  }

  #borrow(range: KeyRange): ConfigScope {
    const shared = this.#passing.get(nameOf(range));
    if (shared) {
      shared.users++;
      return shared.scope;
    }
    const scope = new ConfigScope(this.#client, range, this.#report);
    this.#passing.set(nameOf(range), { scope, users: 1 });
    return scope;
  }

  #giveBack(range: KeyRange): void {
    const shared = this.#passing.get(nameOf(range));
    if (!shared || --shared.users > 0) return;
    this.#passing.delete(nameOf(range));
    shared.scope.close();
  }

  #assertOpen(): void {
    if (this.#closed) throw new ClosedError('the configuration centre is closed');
  }
}

/** Keys have no control characters. */
function nameOf({ key, end }: KeyRange): string {
  return `${key}\n${end ?? ''}`;
}
