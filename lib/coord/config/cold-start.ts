import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type Clock, systemClock } from '../etcd/clock.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import type { KeyValue } from '../etcd/kv.js';
import type { SnapshotOptions } from '../etcd/room-context.js';
import type { ConfigScope, ScopeState } from './config-scope.js';
import type { SecretPolicy } from './secret-policy.js';
import { SnapshotChoice } from './snapshot-choice.js';
import { fromText, type SnapshotContent, toText } from './snapshot-content.js';
import { readSnapshot, removeDrafts, writeSnapshot } from './snapshot-file.js';
import type { StartPatience } from './start-patience.js';

export interface ColdStartDeps {
  readonly patience: Pick<StartPatience, 'left'>;
  readonly snapshot: SnapshotOptions;
  /** With it the snapshot is encrypted, and holds the secrets too. */
  readonly key?: Buffer;
  readonly secrets: SecretPolicy;
  readonly logger: CoordLogger;
  /** Tells this service's snapshots from those of others in the same folder. */
  readonly owner: string;
  /** The keys whose newest values some view does not show: of them the snapshot keeps the last good ones. */
  readonly doubted: () => ReadonlySet<string>;
  /** Whether a view was closed before it could read the entry. */
  readonly isUnread: (entry: KeyValue) => boolean;
  readonly onAdopted: () => void;
  readonly clock?: Clock;
}

/** One scope's snapshot. */
interface Followed {
  readonly prefix: string;
  /** What is on disk from the run before; `undefined` where there is nothing, or nothing usable. */
  readonly before: Promise<SnapshotContent | undefined>;
  /** Says what was written last, to write only what has changed. */
  saved: string;
  cancel?: () => void;
  cancelRenewal?: () => void;
  /** Where the state came from that was seen last. */
  origin: ScopeState['origin'];
  /** The entries that were written last, or read; `undefined` before the first write. */
  kept?: ReadonlyMap<string, KeyValue>;
}

/** A burst of changes is one write to disk. */
const SETTLE = 1_000;

/** While etcd is there, the snapshot is never older than this part of the age at which it is of no use any more. */
const RENEWAL = 0.25;

/**
 * Keeps on disk what this process reads of the configuration, and gives it to the next start while etcd does not answer.
 * Only keys that are in use are kept; secrets only in an encrypted snapshot.
 */
export class ColdStart {
  readonly #deps: ColdStartDeps;
  readonly #clock: Clock;
  readonly #scopes = new Map<ConfigScope, Followed>();
  readonly #choice: SnapshotChoice;
  #writing: Promise<void> = Promise.resolve();
  #decided: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(deps: ColdStartDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? systemClock;
    // An encrypted snapshot may hold the secrets too.
    this.#choice = new SnapshotChoice(deps.key ? undefined : deps.secrets, deps.isUnread);
  }

  /** Adopts the snapshot if etcd does not answer in time, and keeps it up to date when it does. */
  follow(scope: ConfigScope, prefix: string): void {
    const before = this.#read(prefix);
    const followed: Followed = { prefix, saved: '', before, origin: 'none' };
    this.#scopes.set(scope, followed);
    scope.onUse(() => this.#schedule(scope));
    scope.observe({ prefix }, ({ state, changes }) => {
      const begins = state.origin !== followed.origin;
      followed.origin = state.origin;
      if (begins || changes.some(({ key }) => scope.used.covers(key))) this.#schedule(scope);
      return undefined;
    });
    // Not when the connection is there but when it has been read: etcd may fall silent in between.
    const decided = scope.mirror.ready({ timeout: this.#deps.patience.left() }).then(
      () => undefined,
      async () => this.#adopt(scope, await before),
    );
    this.#decided = Promise.all([this.#decided, decided]);
    this.#renewLater(scope, followed);
  }

  /** Resolves once etcd has answered, or the snapshot has been adopted or found of no use. */
  async decided(): Promise<void> {
    await this.#decided;
  }

  /** More is known of what is a secret: it must leave the disk. */
  review(): void {
    for (const scope of this.#scopes.keys()) this.#schedule(scope);
  }

  /** Writes what has changed. The scopes keep their last state, whether they are closed meanwhile or not. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      for (const [scope, followed] of this.#scopes) {
        const renewed = this.#mayExpire && this.#renew(scope, followed);
        if (followed.cancel && !renewed) this.#save(scope);
        followed.cancel?.();
        followed.cancelRenewal?.();
      }
    }
    await this.#writing;
  }

  async #read(prefix: string): Promise<SnapshotContent | undefined> {
    const { key, logger } = this.#deps;
    const path = this.#path(prefix);
    try {
      await removeDrafts(path, this.#clock.wall());
      const text = await readSnapshot(path, key);
      return text === undefined ? undefined : fromText(text);
    } catch (error) {
      logger.warn('the configuration snapshot cannot be used', { path, reason: (error as Error).message });
      return undefined;
    }
  }

  #adopt(scope: ConfigScope, content: SnapshotContent | undefined): void {
    if (!content || this.#closed) return;
    const { snapshot, logger, onAdopted } = this.#deps;
    const age = this.#clock.wall() - content.savedAt;
    if (age > snapshot.maxAge) {
      logger.warn('the configuration snapshot is too old to be used', { prefix: content.prefix, age });
    } else if (scope.adopt(content.state)) {
      logger.warn('etcd does not answer: configuration comes from the snapshot', {
        prefix: content.prefix,
        age,
      });
      onAdopted();
    }
  }

  #schedule(scope: ConfigScope): void {
    const entry = this.#scopes.get(scope);
    if (!entry || entry.cancel || this.#closed) return;
    entry.cancel = this.#clock.after(SETTLE, () => {
      delete entry.cancel;
      this.#save(scope);
    });
  }

  get #mayExpire(): boolean {
    return this.#deps.snapshot.maxAge !== Infinity;
  }

  #renewLater(scope: ConfigScope, followed: Followed): void {
    if (!this.#mayExpire) return;
    followed.cancelRenewal = this.#clock.after(this.#deps.snapshot.maxAge * RENEWAL, () => {
      this.#renew(scope, followed);
      this.#renewLater(scope, followed);
    });
  }

  /** What has not changed is no older than what has: a snapshot's age counts from when it was last known to be current. */
  #renew(scope: ConfigScope, followed: Followed): boolean {
    if (scope.mirror.staleFor() > 0) return false;
    followed.saved = '';
    this.#save(scope);
    return true;
  }

  #save(scope: ConfigScope): void {
    // Asked now: at a close the views that know it are gone before the disk is free.
    const doubted = this.#deps.doubted();
    this.#writing = this.#writing
      .then(() => this.#write(scope, this.#scopes.get(scope)!, doubted))
      .catch((error: unknown) => {
        this.#scopes.get(scope)!.saved = '';
        this.#deps.logger.warn('the configuration snapshot cannot be written', {
          dir: this.#deps.snapshot.dir,
          reason: (error as Error).message,
        });
      });
  }

  async #write(scope: ConfigScope, followed: Followed, doubted: ReadonlySet<string>): Promise<void> {
    const before = await followed.before;
    if (scope.state.origin !== 'etcd') return;
    const kept = followed.kept ?? before?.state.entries ?? new Map<string, KeyValue>();
    // Also what has come into doubt while the disk was busy.
    const inDoubt = new Set([...doubted, ...this.#deps.doubted()]);
    const { entries, known } = this.#choice.of(scope, kept, inDoubt);
    const mark = [...known].join();
    const unchanged = [...entries].every(([key, entry]) => kept.get(key) === entry);
    // Only keys that are not in use have changed.
    if (mark === followed.saved && unchanged && entries.size === kept.size) return;
    followed.saved = mark;
    followed.kept = entries;
    const state = { entries, known, revision: scope.state.revision };
    const text = toText({ prefix: followed.prefix, savedAt: this.#clock.wall(), state });
    await writeSnapshot(this.#path(followed.prefix), text, this.#deps.key);
  }

  #path(prefix: string): string {
    const name = createHash('sha256').update(`${this.#deps.owner}\n${prefix}`).digest('hex').slice(0, 16);
    return join(this.#deps.snapshot.dir, `config-${name}.snap`);
  }
}
