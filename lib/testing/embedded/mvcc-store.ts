import { etcdErrors } from './etcd-status.js';
import { KeyIndex, type KeyVersion } from './key-index.js';
import { type Span } from './span.js';

/** All that happened at one revision, in order. */
export interface Commit {
  readonly revision: number;
  readonly changes: readonly KeyVersion[];
}

/** Told of keys that come to hang on a lease, or cease to. */
export interface LeaseAttachments {
  attach(lease: bigint, key: string): void;
  detach(lease: bigint, key: string): void;
}

const NOTHING = Buffer.alloc(0);

/**
 * A multi-version key-value store, as etcd's: every transaction that writes makes one new revision, and every revision
 * since the last compaction can be read. Revisions start at 1, compaction at none (-1).
 */
export class MvccStore {
  readonly #index = new KeyIndex();
  readonly #listeners = new Set<(commit: Commit) => void>();
  readonly #attachments: LeaseAttachments;
  /** Commits after the last compaction, and the one at it. */
  #log: Commit[] = [];
  #revision = 1;
  #compacted = -1;
  /** Changes of the transaction that runs; `undefined` outside. */
  #changes: KeyVersion[] | undefined;

  constructor(attachments: LeaseAttachments) {
    this.#attachments = attachments;
  }

  /** The newest revision; inside a transaction still the one before it. */
  get revision(): number {
    return this.#revision;
  }

  /** The revision of the last compaction, -1 before the first. Reads and watches before it are refused. */
  get compacted(): number {
    return this.#compacted;
  }

  /** What a read sees: the newest revision and, inside a transaction, the transaction's own writes. */
  get readRevision(): number {
    return this.#changes !== undefined && this.#changes.length > 0 ? this.#revision + 1 : this.#revision;
  }

  onCommit(listener: (commit: Commit) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @param revision 0 or less: the newest. Throws etcd's errors for a compacted and for a future revision. */
  read(span: Span, revision = 0): KeyVersion[] {
    return this.#index.range(span, this.checkRevision(revision));
  }

  /** The revision to read at. */
  checkRevision(revision: number): number {
    const newest = this.readRevision;
    if (revision > newest) throw etcdErrors.futureRevision();
    const at = revision <= 0 ? newest : revision;
    if (at < this.#compacted) throw etcdErrors.compacted();
    return at;
  }

  /** The key before `revision`, if compaction has not taken it: what etcd calls prev_kv. */
  before(key: string, revision: number): KeyVersion | undefined {
    return revision - 1 < this.#compacted ? undefined : this.#index.at(key, revision - 1);
  }

  /** Runs `write`; all its puts and deletes happen at one revision. Must not throw once it has written: check before. */
  transact<T>(write: () => T): T {
    const changes: KeyVersion[] = [];
    this.#changes = changes;
    try {
      return write();
    } finally {
      this.#changes = undefined;
      if (changes.length > 0) this.#commit(changes);
    }
  }

  put(key: string, value: Buffer, lease: bigint): void {
    const old = this.#index.at(key, this.readRevision);
    const revision = this.#revision + 1;
    const { created = revision, version = 0 } = old ?? {};
    if (old !== undefined && old.lease !== 0n) this.#attachments.detach(old.lease, key);
    if (lease !== 0n) this.#attachments.attach(lease, key);
    this.#record({ key, revision, created, version: version + 1, value, lease, deleted: false });
  }

  delete(span: Span): number {
    const victims = this.#index.range(span, this.readRevision);
    for (const { key, lease } of victims) {
      if (lease !== 0n) this.#attachments.detach(lease, key);
      const revision = this.#revision + 1;
      this.#record({ key, revision, created: 0, version: 0, value: NOTHING, lease: 0n, deleted: true });
    }
    return victims.length;
  }

  compact(revision: number): void {
    if (revision <= this.#compacted) throw etcdErrors.compacted();
    if (revision > this.#revision) throw etcdErrors.futureRevision();
    this.#compacted = revision;
    this.#index.compact(revision);
    // A watch may start at the compacted revision itself, so its events stay; etcd before 3.5.20 loses its deletes.
    this.#log = this.#log.slice(this.#position(revision));
  }

  /** The commits from `revision` on, oldest first, at most `most`. The caller has checked that none is compacted. */
  commitsFrom(revision: number, most: number): readonly Commit[] {
    const first = this.#position(revision);
    return this.#log.slice(first, first + most);
  }

  #record(version: KeyVersion): void {
    if (this.#changes === undefined) throw new Error('a write outside of a transaction');
    this.#changes.push(version);
    this.#index.append(version);
  }

  #commit(changes: readonly KeyVersion[]): void {
    this.#revision++;
    const commit = { revision: this.#revision, changes };
    this.#log.push(commit);
    for (const listener of this.#listeners) listener(commit);
  }

  /** Where the first commit at or after `revision` stands in the log: revisions in it have no gaps. */
  #position(revision: number): number {
    const first = this.#log[0];
    return first === undefined ? 0 : Math.min(Math.max(revision - first.revision, 0), this.#log.length);
  }
}
