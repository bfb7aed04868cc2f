import { parse } from 'yaml';
import type { KeyValue } from '../etcd/kv.js';
import type { ConfigScope } from './config-scope.js';
import { hasTelling, type SecretPolicy } from './secret-policy.js';
import { lies } from './used-names.js';

/** What of a scope goes to disk. */
export class SnapshotChoice {
  readonly #secrets: SecretPolicy | undefined;
  /** Whether an entry has a property that is called like a secret: values are read once, not at each change of another. */
  readonly #telling = new WeakMap<KeyValue, boolean>();
  readonly #isUnread: (entry: KeyValue) => boolean;

  /**
   * @param secrets what must not be written; `undefined`: all may.
   * @param isUnread whether nobody could read an entry; @default all could be read
   */
  constructor(secrets: SecretPolicy | undefined, isUnread: (entry: KeyValue) => boolean = () => false) {
    this.#secrets = secrets;
    this.#isUnread = isUnread;
  }

  /** What is in use and may be written down. A prefix is known as a whole only if nothing below it was left out. */
  of(
    { used, state }: ConfigScope,
    kept: ReadonlyMap<string, KeyValue>,
    doubted: ReadonlySet<string>,
  ): { entries: Map<string, KeyValue>; known: Set<string> } {
    const entries = new Map<string, KeyValue>();
    const known = new Set(used);
    const candidates = new Map(state.entries);
    const inDoubt = new Set(doubted);
    for (const [key, entry] of state.entries) if (this.#isUnread(entry)) inDoubt.add(key);
    for (const key of inDoubt) {
      const good = kept.get(key);
      if (good) candidates.set(key, good);
    }
    for (const [key, entry] of candidates) {
      if (!used.covers(key)) continue;
      if ((!inDoubt.has(key) || kept.has(key)) && this.#mayKeep(entry)) {
        entries.set(key, entry);
        known.add(key);
      } else {
        // Never a reason to stop: it is taken out wherever it lies.
        lies(key, (name) => known.delete(name) && false);
      }
    }
    return { entries, known };
  }

  #mayKeep(entry: KeyValue): boolean {
    if (!this.#secrets) return true;
    if (this.#secrets.isKnownToHold(entry.key)) return false;
    let telling = this.#telling.get(entry);
    if (telling === undefined) this.#telling.set(entry, (telling = tells(entry.value)));
    return !telling;
  }
}

/** Whether a property is called like a secret. What is neither JSON nor YAML is a text without properties. */
function tells(value: Buffer): boolean {
  const text = value.toString();
  try {
    return hasTelling(JSON.parse(text));
  } catch {
    // YAML's parser reads JSON too, in a hundred times the time.
  }
  let found: unknown;
  try {
    found = parse(text, { maxAliasCount: 100, logLevel: 'silent' });
  } catch {
    return false;
  }
  try {
    return hasTelling(found);
  } catch {
    // It is nested too deeply to be looked through.
    return true;
  }
}
