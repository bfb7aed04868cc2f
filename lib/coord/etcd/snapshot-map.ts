import { isSameKeyValue, type KeyValue } from './kv.js';

/** The state of a key range at one revision; never changes. */
export interface Snapshot {
  readonly revision: bigint;
  readonly entries: ReadonlyMap<string, KeyValue>;
}

export interface Change {
  readonly key: string;
  /** Before; `undefined` if the key did not exist. */
  readonly previous: KeyValue | undefined;
  /** After; `undefined` if the key is gone. */
  readonly current: KeyValue | undefined;
}

/**
 * A map whose states can be kept. A change copies the map only if the state before it was handed out: a range of 10,000
 * keys that nobody looks at costs one insertion a change.
 */
export class SnapshotMap {
  #entries = new Map<string, KeyValue>();
  #revision = 0n;
  #snapshot: Snapshot | undefined;

  /** The entries as they are now; not to be kept. */
  get entries(): ReadonlyMap<string, KeyValue> {
    return this.#entries;
  }

  snapshot(): Snapshot {
    this.#snapshot ??= { revision: this.#revision, entries: this.#entries };
    return this.#snapshot;
  }

  /** Applies the events of one revision and returns what they changed. */
  apply(
    revision: bigint,
    events: readonly { readonly deleted: boolean; readonly kv: KeyValue }[],
  ): readonly Change[] {
    this.#detach(revision);
    const changes: Change[] = [];
    for (const { deleted, kv } of events) {
      const previous = this.#entries.get(kv.key);
      if (deleted) {
        if (this.#entries.delete(kv.key)) changes.push({ key: kv.key, previous, current: undefined });
      } else {
        this.#entries.set(kv.key, kv);
        changes.push({ key: kv.key, previous, current: kv });
      }
    }
    return changes;
  }

  /** Becomes the given state and returns the difference, deletions included. */
  replace(revision: bigint, kvs: readonly KeyValue[]): readonly Change[] {
    const before = this.#entries;
    this.#snapshot = undefined;
    this.#revision = revision;
    this.#entries = new Map(kvs.map((kv) => [kv.key, kv]));
    const changes: Change[] = [];
    for (const [key, previous] of before) {
      if (!this.#entries.has(key)) changes.push({ key, previous, current: undefined });
    }
    for (const current of kvs) {
      const previous = before.get(current.key);
      if (!previous || !isSameKeyValue(previous, current))
        changes.push({ key: current.key, previous, current });
    }
    return changes;
  }

  #detach(revision: bigint): void {
    if (this.#snapshot) this.#entries = new Map(this.#entries);
    this.#snapshot = undefined;
    this.#revision = revision;
  }
}
