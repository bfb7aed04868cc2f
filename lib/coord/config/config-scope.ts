import { ClosedError } from '../../errors/closed.error.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import { systemClock } from '../etcd/clock.js';
import type { KeyRange, KeyValue } from '../etcd/kv.js';
import type { Mirror, MirrorChange } from '../etcd/mirror.js';
import type { ThrownReport } from '../etcd/safe-observable.js';
import { ScopeObservers } from './scope-observers.js';
import { lies, UsedNames } from './used-names.js';

/** What is known of a scope's keys, all at one revision. The map lives on: it is read at once, not kept. */
export interface ScopeState {
  readonly revision: bigint;
  readonly entries: ReadonlyMap<string, KeyValue>;
  /** `none`: nothing is known yet; `snapshot`: what this process's predecessor knew, read from disk. */
  readonly origin: 'none' | 'snapshot' | 'etcd';
  /** Of a snapshot: the keys and prefixes it speaks for; of any other key it says nothing, not even that it is absent. */
  readonly known?: ReadonlySet<string>;
}

export interface ScopeChange {
  readonly state: ScopeState;
  readonly changes: MirrorChange['changes'];
  /** Nothing was known before: these are not changes but what there is. */
  readonly initial: boolean;
}

/**
 * Told of a change in two steps: first every observer takes the new state in, then every returned function tells its own
 * subscribers. A subscriber that looks at other views while it is told therefore finds them at the same revision.
 */
export type ScopeObserver = (change: ScopeChange) => (() => void) | undefined;

/** What an observer wants to hear of: single keys, or all below a prefix. */
export type Interest = { readonly keys: readonly string[] } | { readonly prefix: string };

const EMPTY: ScopeState = { revision: 0n, entries: new Map(), origin: 'none' };

/** One key range in memory, with a register of who looks at which key. */
export class ConfigScope {
  readonly range: KeyRange;
  readonly mirror: Mirror;
  /** The keys and prefixes that were asked for, of all that the scope keeps. */
  readonly used = new UsedNames();
  readonly #report: ThrownReport;
  readonly #observers = new ScopeObservers();
  readonly #waiting = new Set<() => void>();
  readonly #stop: () => void;
  #onUse: (() => void) | undefined;
  #entries = new Map<string, KeyValue>();
  #state: ScopeState = EMPTY;
  /** The newest revision that this process knows of by its own writes. */
  #owed = 0n;
  #missed = 0n;
  #closed = false;

  constructor(client: Pick<EtcdClient, 'mirror'>, range: KeyRange, report: ThrownReport) {
    this.range = range;
    this.#report = report;
    this.mirror = client.mirror(range);
    this.#stop = this.mirror.subscribe((change) => this.#take(change));
  }

  get state(): ScopeState {
    return this.#state;
  }

  covers(key: string): boolean {
    const { key: first, end } = this.range;
    return end === undefined ? key === first : key >= first && key < end;
  }

  /** Somebody reads a key, or all below a prefix. */
  use(name: string): void {
    if (this.used.add(name)) this.#onUse?.();
  }

  /** Somebody looks at it from now on, until the function returned is called. */
  hold(name: string): () => void {
    if (this.used.hold(name)) this.#onUse?.();
    return () => this.used.release(name);
  }

  /** Calls `listener` whenever something is used for the first time. */
  onUse(listener: () => void): void {
    this.#onUse = listener;
  }

  /** Whether the state says what the key, or all below the prefix, is. */
  knows(name: string): boolean {
    const { origin, known } = this.#state;
    return origin === 'etcd' || (known?.has(name) ?? false);
  }

  /** Whether the state says what `name` is, and holds all own writes. */
  isCurrent(name: string): boolean {
    return this.knows(name) && this.#state.revision >= this.#owed;
  }

  /** Resolves when the state speaks for all of `names`: by etcd's list, or by a snapshot that was adopted. */
  async ready(names: readonly string[], options?: CallOptions): Promise<void> {
    const isKnown = (): boolean => names.every((name) => this.knows(name));
    if (this.#closed) throw new ClosedError('the configuration centre is closed');
    if (isKnown()) return;
    const given = new AbortController();
    try {
      const adopted = new Promise<void>((resolve) => this.#wake(isKnown, resolve, given.signal));
      await Promise.race([this.mirror.ready(options), adopted]);
    } finally {
      given.abort();
    }
    if (this.#closed) throw new ClosedError('the configuration centre is closed');
  }

  /** This process wrote a key of the scope at `revision`: whoever reads from now on must see it. */
  owe(revision: bigint): void {
    if (revision > this.#owed) this.#owed = revision;
  }

  /** Resolves with whether the state holds all own writes, waiting up to `timeout` ms for the newest. */
  async caughtUp(timeout: number): Promise<boolean> {
    const owed = this.#owed;
    if (this.#state.revision >= owed) return true;
    // Waited for in vain already: the stream is slow or cut, and a read of etcd is better than another wait.
    if (this.#missed >= owed) return false;
    const given = new AbortController();
    const cancel = systemClock.after(timeout, () => given.abort());
    await new Promise<void>((resolve) => {
      this.#wake(() => this.#state.revision >= owed, resolve, given.signal);
      given.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    cancel();
    if (this.#state.revision >= owed) return true;
    this.#missed = owed;
    return false;
  }

  /** Calls `observer` at each change that touches `interest`, and when the scope's state becomes known. */
  observe(interest: Interest, observer: ScopeObserver): () => void {
    return this.#observers.add(interest, observer);
  }

  /** Takes entries read from disk for the state, unless etcd has already answered. */
  adopt(snapshot: Required<Omit<ScopeState, 'origin'>>): boolean {
    if (this.#closed || this.#state.origin !== 'none') return false;
    this.#swap({ ...snapshot, origin: 'snapshot' }, difference(new Map(), snapshot.entries), true);
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stop();
    this.mirror.close();
    this.#observers.clear();
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  #take(change: MirrorChange): void {
    if (this.#closed) return;
    const before = this.#state;
    // Another history, of a store that was wiped or restored: what this process wrote to the old one is gone with it.
    if (change.revision < before.revision) this.#owed = 0n;
    let { changes } = change;
    if (change.cause === 'list') {
      const { entries } = this.mirror.snapshot();
      // The mirror compares with what it had itself; after a snapshot from disk the difference is to that snapshot, as far
      // as it speaks: of all else it is not known what has changed.
      const { known } = before;
      changes = difference(before.entries, entries).filter(
        ({ key }) => !known || lies(key, (name) => known.has(name)),
      );
      this.#entries = new Map(entries);
    } else {
      for (const { key, current } of changes) {
        if (current) this.#entries.set(key, current);
        else this.#entries.delete(key);
      }
    }
    const state: ScopeState = { revision: change.revision, entries: this.#entries, origin: 'etcd' };
    this.#swap(state, changes, before.origin !== 'etcd');
  }

  #swap(state: ScopeState, changes: ScopeChange['changes'], everybody: boolean): void {
    const change: ScopeChange = { state, changes, initial: this.#state.origin === 'none' };
    this.#state = state;
    const notify: (() => void)[] = [];
    for (const observer of everybody ? this.#observers.all() : this.#observers.touchedBy(changes)) {
      this.#guard(() => {
        const tell = observer(change);
        if (tell) notify.push(tell);
      });
    }
    for (const tell of notify) this.#guard(tell);
    for (const wake of this.#waiting) wake();
  }

  #wake(test: () => boolean, done: () => void, signal: AbortSignal): void {
    const check = (): void => {
      if (!this.#closed && !test()) return;
      this.#waiting.delete(check);
      done();
    };
    this.#waiting.add(check);
    signal.addEventListener('abort', () => this.#waiting.delete(check), { once: true });
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#report(error);
    }
  }
}

function difference(
  before: ReadonlyMap<string, KeyValue>,
  after: ReadonlyMap<string, KeyValue>,
): ScopeChange['changes'] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys]
    .map((key) => ({ key, previous: before.get(key), current: after.get(key) }))
    .filter(({ previous, current }) => !isSame(previous, current));
}

function isSame(a: KeyValue | undefined, b: KeyValue | undefined): boolean {
  if (!a || !b) return a === b;
  return a.modRevision === b.modRevision && a.value.equals(b.value);
}
