import type { KeyValue } from '../etcd/kv.js';
import type { ScopeState } from './config-scope.js';

/** What a process knew of a scope, in a form that survives it. */
export interface SnapshotContent {
  readonly prefix: string;
  /** When it was last known to be what etcd has, by the wall clock of who wrote it, in ms. */
  readonly savedAt: number;
  readonly state: Required<Omit<ScopeState, 'origin'>>;
}

interface StoredEntry {
  readonly key: string;
  /** Base64: a value need not be text. */
  readonly value: string;
  readonly revisions: readonly [create: string, mod: string, version: string];
}

interface Stored {
  readonly prefix: string;
  readonly savedAt: number;
  readonly revision: string;
  readonly known: readonly string[];
  readonly entries: readonly StoredEntry[];
}

export function toText({ prefix, savedAt, state }: SnapshotContent): string {
  const stored: Stored = {
    prefix,
    savedAt,
    revision: state.revision.toString(),
    known: [...state.known],
    entries: [...state.entries.values()].map((entry) => ({
      key: entry.key,
      value: entry.value.toString('base64'),
      revisions: [entry.createRevision.toString(), entry.modRevision.toString(), entry.version.toString()],
    })),
  };
  return JSON.stringify(stored);
}

/** Trusts the text: its checksum was right. */
export function fromText(text: string): SnapshotContent {
  const stored = JSON.parse(text) as Stored;
  const entries = stored.entries.map(({ key, value, revisions: [create, mod, version] }): KeyValue => ({
    key,
    value: Buffer.from(value, 'base64'),
    createRevision: BigInt(create),
    modRevision: BigInt(mod),
    version: BigInt(version),
    lease: 0n,
  }));
  return {
    prefix: stored.prefix,
    savedAt: stored.savedAt,
    state: {
      revision: BigInt(stored.revision),
      known: new Set(stored.known),
      entries: new Map(entries.map((entry) => [entry.key, entry])),
    },
  };
}
