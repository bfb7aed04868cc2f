import type { KeyRange, Op, Txn } from './kv.js';

interface Touched {
  readonly keys: Set<string>;
  readonly ranges: KeyRange[];
}

/**
 * What a set of transactions reads and writes. etcd evaluates the comparisons of nested transactions before it runs any
 * of them (`compareToPath` in etcd's `apply.go`), refuses two writes of one key in one transaction, and gives all keys
 * made in it one create revision. Therefore a transaction may ride with others only if none of them writes what it
 * touches, and it writes nothing that they touch: then riding together equals running one after the other.
 */
export class Footprint {
  readonly #reads: Touched = { keys: new Set(), ranges: [] };
  readonly #writes: Touched = { keys: new Set(), ranges: [] };

  /** Whether `txn` is independent of everything added so far. */
  admits(txn: Txn): boolean {
    for (const compare of txn.compare ?? []) if (overlaps(this.#writes, compare)) return false;
    for (const op of operations(txn)) {
      const range = touched(op);
      if (overlaps(this.#writes, range)) return false;
      if (!('range' in op) && overlaps(this.#reads, range)) return false;
    }
    return true;
  }

  add(txn: Txn): void {
    for (const compare of txn.compare ?? []) include(this.#reads, compare);
    for (const op of operations(txn)) include('range' in op ? this.#reads : this.#writes, touched(op));
  }
}

function operations({ success, failure = [] }: Txn): readonly Op[] {
  return failure.length === 0 ? success : [...success, ...failure];
}

function touched(op: Op): KeyRange {
  if ('put' in op) return { key: op.put.key };
  return 'delete' in op ? op.delete : op.range;
}

function include(set: Touched, range: KeyRange): void {
  if (range.end === undefined) set.keys.add(range.key);
  else set.ranges.push(range);
}

function overlaps(set: Touched, range: KeyRange): boolean {
  if (range.end === undefined) {
    return set.keys.has(range.key) || set.ranges.some((other) => contains(other, range.key));
  }
  if (set.ranges.some((other) => isBefore(range.key, other.end) && isBefore(other.key, range.end)))
    return true;
  for (const key of set.keys) if (contains(range, key)) return true;
  return false;
}

function contains(range: KeyRange, key: string): boolean {
  return range.key <= key && isBefore(key, range.end);
}

/** An end of `'\0'` lies behind the last key. */
function isBefore(key: string, end: string | undefined): boolean {
  return end === '\0' || key < end!;
}
