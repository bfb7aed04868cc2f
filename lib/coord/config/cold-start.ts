import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { parse } from 'yaml';
import { type Clock, systemClock } from '../etcd/clock.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { KeyValue } from '../etcd/kv.js';
import type { SnapshotOptions } from '../etcd/room-context.js';
import type { ConfigScope } from './config-scope.js';
import type { SecretPolicy } from './secret-policy.js';
import { fromText, type SnapshotContent, toText } from './snapshot-content.js';
import { readSnapshot, writeSnapshot } from './snapshot-file.js';

export interface ColdStartDeps {
  readonly client: Pick<EtcdClient, 'ready'>;
  readonly snapshot: SnapshotOptions;
  /** With it the snapshot is encrypted, and holds the secrets too. */
  readonly key?: Buffer;
  readonly secrets: SecretPolicy;
  readonly logger: CoordLogger;
  /** Tells this service's snapshots from those of others in the same folder. */
  readonly owner: string;
  /** The keys whose newest values are refused: of them the snapshot keeps the last good ones. */
  readonly refused: () => ReadonlySet<string>;
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
  /** The entries that were written, or read, last. */
  kept: ReadonlyMap<string, KeyValue>;
}

/** A burst of changes is one write to disk. */
const SETTLE = 1_000;

/**
 * Keeps on disk what this process reads of the configuration, and gives it to the next start while etcd does not answer.
 * Only keys that are in use are kept; secrets only in an encrypted snapshot.
 */
export class ColdStart {
  readonly #deps: ColdStartDeps;
  readonly #clock: Clock;
  readonly #scopes = new Map<ConfigScope, Followed>();
  #writing: Promise<void> = Promise.resolve();
  #decided: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(deps: ColdStartDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? systemClock;
  }

  /** Adopts the snapshot if etcd does not answer in time, and keeps it up to date when it does. */
  follow(scope: ConfigScope, prefix: string): void {
    const followed: Followed = { prefix, saved: '', kept: new Map(), before: this.#read(prefix) };
    this.#scopes.set(scope, followed);
    scope.onUse(() => this.#schedule(scope));
    scope.observe({ prefix }, () => {
      this.#schedule(scope);
      return undefined;
    });
    const decided = this.#deps.client.ready().then(
      () => undefined,
      async () => this.#adopt(scope, await followed.before),
    );
    this.#decided = Promise.all([this.#decided, decided]);
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
      for (const [scope, { cancel }] of this.#scopes) {
        if (cancel) this.#save(scope);
        cancel?.();
      }
    }
    await this.#writing;
  }

  async #read(prefix: string): Promise<SnapshotContent | undefined> {
    const { key, logger } = this.#deps;
    const path = this.#path(prefix);
    try {
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

  #save(scope: ConfigScope): void {
    // Asked now: at a close the views that know it are gone before the disk is free.
    const refused = this.#deps.refused();
    this.#writing = this.#writing
      .then(() => this.#write(scope, this.#scopes.get(scope)!, refused))
      .catch((error: unknown) => {
        this.#scopes.get(scope)!.saved = '';
        this.#deps.logger.warn('the configuration snapshot cannot be written', {
          dir: this.#deps.snapshot.dir,
          reason: (error as Error).message,
        });
      });
  }

  async #write(scope: ConfigScope, followed: Followed, refused: ReadonlySet<string>): Promise<void> {
    const before = await followed.before;
    if (scope.state.origin !== 'etcd') return;
    if (followed.kept.size === 0 && before) followed.kept = before.state.entries;
    const { entries, known } = this.#chosen(scope, followed.kept, refused);
    const mark = [...known].join();
    const unchanged = [...entries].every(([key, entry]) => followed.kept.get(key) === entry);
    // Only keys that are not in use have changed.
    if (mark === followed.saved && unchanged && entries.size === followed.kept.size) return;
    followed.saved = mark;
    followed.kept = entries;
    const state = { entries, known, revision: scope.state.revision };
    const text = toText({ prefix: followed.prefix, savedAt: this.#clock.wall(), state });
    await writeSnapshot(this.#path(followed.prefix), text, this.#deps.key);
  }

  /** What is in use and may be written down. A prefix is known as a whole only if nothing below it was left out. */
  #chosen(
    scope: ConfigScope,
    kept: ReadonlyMap<string, KeyValue>,
    refused: ReadonlySet<string>,
  ): { entries: Map<string, KeyValue>; known: Set<string> } {
    const entries = new Map<string, KeyValue>();
    const known = new Set<string>();
    for (const name of scope.used) {
      const found = name.endsWith('/')
        ? [...scope.state.entries.values()].filter(({ key }) => key.startsWith(name))
        : [scope.state.entries.get(name)].filter((each) => each !== undefined);
      const chosen = found
        .map((each) => (refused.has(each.key) ? kept.get(each.key) : each))
        .filter((each) => each !== undefined && this.#mayKeep(each)) as KeyValue[];
      for (const each of chosen) {
        entries.set(each.key, each);
        known.add(each.key);
      }
      if (chosen.length === found.length) known.add(name);
    }
    return { entries, known };
  }

  #mayKeep({ key, value }: KeyValue): boolean {
    if (this.#deps.key) return true;
    return !this.#deps.secrets.holdsSecret(key, readAny(value));
  }

  #path(prefix: string): string {
    const name = createHash('sha256').update(`${this.#deps.owner}\n${prefix}`).digest('hex').slice(0, 16);
    return join(this.#deps.snapshot.dir, `config-${name}.snap`);
  }
}

/** JSON is YAML, and what is neither is a text without properties. */
function readAny(value: Buffer): unknown {
  try {
    return parse(value.toString(), { maxAliasCount: 100, logLevel: 'silent' }) as unknown;
  } catch {
    return undefined;
  }
}
