import type { AttemptOptions } from './calls.js';
import type { CommitEntry } from './commit-entry.js';
import { Footprint } from './footprint.js';
import type { Txn, TxnResult } from './kv.js';

/** etcd's default `--max-txn-ops`. The outer operations and those of the largest nested transaction count together. */
const MAX_OPERATIONS = 128;
/** etcd's default `--max-request-bytes` is 1.5 MiB; the rest is room for the frame around keys and values. */
const MAX_BYTES = 1.25 * 1024 * 1024;
/** What encoding adds to the keys and values of one operation, generously. */
const OPERATION_OVERHEAD = 64;

/**
 * Writes that ride as one etcd transaction, each nested, with its own comparisons and its own outcome; and the options of
 * the call that carries them.
 */
export class CommitBatch implements AttemptOptions {
  readonly entries: CommitEntry[];
  #riders: readonly CommitEntry[] = [];
  /** Made only once somebody asks: a writer that is alone has no need of it. */
  #load: Load | undefined;

  constructor(head: CommitEntry) {
    // An empty list that grows would make room for seventeen.
    this.entries = [head];
  }

  /** Takes the entry along, unless it does not fit in or touches what another one here writes. */
  take(entry: CommitEntry): boolean {
    const [head] = this.entries;
    if (entry.alone || head!.alone || entry.idempotent !== head!.idempotent) return false;
    if (!this.#weighed().hasRoomFor(entry.txn)) return false;
    this.entries.push(entry);
    return true;
  }

  /** Whether nothing here writes what `txn` touches, or touches what it writes. */
  isIndependentOf(txn: Txn): boolean {
    return this.#weighed().footprint.admits(txn);
  }

  get full(): boolean {
    return this.entries.length + 1 >= MAX_OPERATIONS || this.entries[0]!.alone;
  }

  /** Whether nobody here minds what is sent meanwhile. */
  get unordered(): boolean {
    return this.entries.every(({ unordered }) => unordered);
  }

  get idempotent(): boolean {
    return this.entries[0]!.idempotent;
  }

  /** When the last one's time is over, on the monotonic clock. */
  get end(): number {
    let latest = 0;
    for (const { end } of this.entries) latest = Math.max(latest, end);
    return latest;
  }

  /** What is to be sent at this moment: the transactions of those who still want it. There may be none. */
  send(): readonly Txn[] {
    this.#riders = this.entries;
    for (const entry of this.entries) {
      // At once: to ask the next one may end a session, and what that ends must know that this one is sent.
      if (entry.isSendable()) entry.sent();
      else this.#riders = this.#riders.filter((rider) => rider !== entry);
    }
    return this.#riders.map(({ txn }) => txn);
  }

  /** What {@link send} gave last provably did not run. */
  notRun(): void {
    for (const rider of this.#riders) rider.notRun();
  }

  /** Gives each its answer to what {@link send} gave last. */
  answer(results: readonly TxnResult[]): void {
    this.#riders.forEach((rider, index) => rider.resolve(results[index]!));
  }

  #weighed(): Load {
    const load = (this.#load ??= new Load());
    while (load.count < this.entries.length) load.add(this.entries[load.count]!.txn);
    return load;
  }
}

/** What transactions weigh together, and what they touch. */
class Load {
  readonly footprint = new Footprint();
  count = 0;
  #bytes = 0;
  #operations = 0;

  add(txn: Txn): void {
    const { operations, bytes } = sizeOf(txn);
    this.footprint.add(txn);
    this.count++;
    this.#bytes += bytes;
    this.#operations = Math.max(this.#operations, operations);
  }

  hasRoomFor(txn: Txn): boolean {
    const { operations, bytes } = sizeOf(txn);
    return (
      this.count + 1 + Math.max(this.#operations, operations) <= MAX_OPERATIONS &&
      this.#bytes + bytes <= MAX_BYTES &&
      this.footprint.admits(txn)
    );
  }
}

function sizeOf({ compare = [], success, failure = [] }: Txn): { operations: number; bytes: number } {
  let bytes = 0;
  for (const each of compare) {
    const { key, end = '' } = each;
    bytes += Buffer.byteLength(key) + Buffer.byteLength(end) + OPERATION_OVERHEAD;
    // Of the others the operand may be decided only when it is sent.
    if (each.target === 'value') bytes += Buffer.byteLength(each.value);
  }
  for (const op of success) bytes += bytesOf(op);
  for (const op of failure) bytes += bytesOf(op);
  return { operations: Math.max(compare.length, success.length, failure.length), bytes };
}

function bytesOf(op: Txn['success'][number]): number {
  if (!('put' in op)) return OPERATION_OVERHEAD;
  return OPERATION_OVERHEAD + Buffer.byteLength(op.put.key) + Buffer.byteLength(op.put.value);
}
