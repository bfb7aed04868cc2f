import type { EtcdClient } from '../etcd/etcd.client.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import { type KeyValue, type Op, prefixRange } from '../etcd/kv.js';
import type { Write } from './config-transaction.js';

/** One value that a key had. */
export interface HistoryEntry {
  /** The key's version (mod revision) while it had this value. */
  readonly version: bigint;
  /** When it was written, by the clock of who wrote it; `undefined` for what was there before the history began. */
  readonly at?: string;
  readonly author?: string;
  readonly reason?: string;
  readonly deleted: boolean;
  /** The bytes as they were in etcd; none for a deletion. */
  readonly bytes?: Buffer;
}

export interface HistoryNote extends CallOptions {
  readonly author?: string;
  readonly reason?: string;
}

/** What a write carries along so that the history records it in the same revision. */
export interface HistoryRecord {
  readonly guards: ReadonlyMap<string, bigint>;
  readonly ops: readonly Op[];
}

interface Stored {
  readonly at?: string;
  readonly author?: string;
  readonly reason?: string;
  readonly deleted?: true;
  readonly value?: string;
  /** Only of a value that was there before the history began: all others have the revision of their record. */
  readonly version?: string;
}

/** Values kept where nothing else is said. */
export const HISTORY_LIMIT = 20;

const DIGITS = 4;

/**
 * The last values of each key, in a ring of slots beside the configuration (`/config-history/{key}/0007`). A slot is written in
 * the transaction of the value itself, so a record's mod revision is the version of the value. etcd's own past is no
 * history: compaction takes it away.
 */
export class ConfigHistory {
  readonly #client: Pick<EtcdClient, 'range'>;
  readonly #root: string;
  readonly #limit: number;
  readonly #now: () => Date;

  constructor(
    client: Pick<EtcdClient, 'range'>,
    configPrefix: string,
    limit: number,
    now: () => Date = () => new Date(),
  ) {
    this.#client = client;
    this.#root = `${configPrefix}-history`;
    this.#limit = limit;
    this.#now = now;
  }

  async record(writes: ReadonlyMap<string, Write>, note: HistoryNote): Promise<HistoryRecord> {
    const guards = new Map<string, bigint>();
    const ops: Op[] = [];
    for (const [key, write] of writes) {
      // The key first: what somebody writes before its ring is read is in the ring, and refuses what is made of it here.
      const current = await this.#client.range({ key }, callOf(note));
      const ring = await this.#client.range({ ...this.#ring(key), keysOnly: true }, callOf(note));
      const now = current.kvs[0];
      guards.set(key, now?.modRevision ?? 0n);
      if (write === 'delete' && !now) continue;
      let slot = this.#nextSlot(ring.kvs);
      const known = ring.kvs.some((each) => each.modRevision === now?.modRevision);
      if (now && !known) {
        const before: Stored = { value: now.value.toString('base64'), version: now.modRevision.toString() };
        ops.push(this.#put(key, slot, before));
        slot = (slot + 1) % this.#limit;
      }
      ops.push(
        this.#put(key, slot, {
          at: this.#now().toISOString(),
          ...(note.author !== undefined && { author: note.author }),
          ...(note.reason !== undefined && { reason: note.reason }),
          ...(write === 'delete' ? { deleted: true } : { value: write.toString('base64') }),
        }),
      );
    }
    return { guards, ops };
  }

  /** What the key was, the newest first. */
  async list(key: string, options?: CallOptions): Promise<readonly HistoryEntry[]> {
    const { kvs } = await this.#client.range(this.#ring(key), options);
    return kvs.map(toEntry).sort((a, b) => (a.version < b.version ? 1 : -1));
  }

  #ring(key: string): { readonly key: string; readonly end: string } {
    return prefixRange(`${this.#folder(key)}/`);
  }

  /** One segment a key: the ring of `db` must not take in that of `db/pool`. */
  #folder(key: string): string {
    return `${this.#root}/${encodeURIComponent(key.slice(1))}`;
  }

  #put(key: string, slot: number, stored: Stored): Op {
    const name = `${this.#folder(key)}/${String(slot).padStart(DIGITS, '0')}`;
    return { put: { key: name, value: JSON.stringify(stored) } };
  }

  #nextSlot(ring: readonly KeyValue[]): number {
    const slotOf = (entry: KeyValue): number => Number(entry.key.slice(-DIGITS));
    let last: KeyValue | undefined;
    for (const entry of ring) {
      const later = !last || entry.modRevision > last.modRevision;
      // The value from before the history and the first record were written in one revision, the latter behind.
      const behind = last?.modRevision === entry.modRevision && slotOf(entry) > slotOf(last);
      if (later || behind) last = entry;
    }
    return last ? (slotOf(last) + 1) % this.#limit : 0;
  }
}

function toEntry(kv: KeyValue): HistoryEntry {
  const stored = JSON.parse(kv.value.toString()) as Stored;
  return {
    version: stored.version === undefined ? kv.modRevision : BigInt(stored.version),
    deleted: stored.deleted ?? false,
    ...(stored.at !== undefined && { at: stored.at }),
    ...(stored.author !== undefined && { author: stored.author }),
    ...(stored.reason !== undefined && { reason: stored.reason }),
    ...(stored.value !== undefined && { bytes: Buffer.from(stored.value, 'base64') }),
  };
}

function callOf({ signal, timeout }: CallOptions): CallOptions {
  return { ...(signal && { signal }), ...(timeout !== undefined && { timeout }) };
}
