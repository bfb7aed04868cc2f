import type { KeyRange, Op, Txn } from './kv.js';

/**
 * What a set of transactions reads and writes. etcd evaluates the comparisons of nested transactions before it runs any
 * of them (`compareToPath` in etcd's `apply.go`), runs their operations one after the other, refuses two writes of one
 * key in one transaction, and gives all keys made in it one create revision. Therefore a transaction may ride with others
 * only if none of them compares or writes what it writes, or writes what it compares, and none puts a key that another
 * reads: two newcomers in one queue would be as old as each other. Then riding together equals running one after the
 * other. A deletion may ride with a read of its key: it comes before or after, as in life.
 */
export class Footprint {
  readonly #compared = new KeySet();
  readonly #read = new KeySet();
  readonly #put = new KeySet();
  readonly #deleted = new KeySet();

  /** Whether `txn` is independent of everything added so far. */
  admits(txn: Txn): boolean {
    for (const compare of txn.compare ?? []) {
      if (this.#put.overlaps(compare) || this.#deleted.overlaps(compare)) return false;
    }
    for (const op of operations(txn)) {
      const range = touched(op);
      if (this.#put.overlaps(range)) return false;
      if ('range' in op) continue;
      if (this.#deleted.overlaps(range) || this.#compared.overlaps(range)) return false;
      if ('put' in op && this.#read.overlaps(range)) return false;
    }
    return true;
  }

  add(txn: Txn): void {
    for (const compare of txn.compare ?? []) this.#compared.add(compare);
    for (const op of operations(txn)) {
      const set = 'put' in op ? this.#put : 'delete' in op ? this.#deleted : this.#read;
      set.add(touched(op));
    }
  }
}

class KeySet {
  #keys: Set<string> | undefined;
  #ranges: KeyRange[] | undefined;

  add(range: KeyRange): void {
    if (range.end === undefined) (this.#keys ??= new Set()).add(range.key);
    else (this.#ranges ??= []).push(range);
  }

  overlaps(range: KeyRange): boolean {
    if (range.end === undefined) {
      return (
        (this.#keys?.has(range.key) || this.#ranges?.some((other) => contains(other, range.key))) ?? false
      );
    }
    if (this.#ranges?.some((other) => isBefore(range.key, other.end) && isBefore(other.key, range.end)))
      return true;
    for (const key of this.#keys ?? []) if (contains(range, key)) return true;
    return false;
  }
}

function operations({ success, failure = [] }: Txn): readonly Op[] {
  return failure.length === 0 ? success : [...success, ...failure];
}

function touched(op: Op): KeyRange {
  if ('put' in op) return { key: op.put.key };
  return 'delete' in op ? op.delete : op.range;
}

function contains(range: KeyRange, key: string): boolean {
  return range.key <= key && isBefore(key, range.end);
}

/** An end of `'\0'` lies behind the last key. */
function isBefore(key: string, end: string | undefined): boolean {
  return end === '\0' || key < end!;
}
