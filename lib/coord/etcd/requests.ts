import type { Compare, KeyRange, Op, RangeQuery, Txn } from './kv.js';
import { ProtobufWriter } from './protobuf-writer.js';

// What is asked of etcd by the thousand (ranges, transactions, watches, renewals), from the forms of this room to bytes; `answers.ts`
// is the way back. The numbers of the fields are those of etcd's api/etcdserverpb/rpc.proto and api/mvccpb/kv.proto. etcd3's own
// way, over protobufjs' objects, a second object, and text for each number, was half of what a lock costs.

export type WatchRequest =
  | { readonly create: KeyRange; readonly startRevision: bigint; readonly id: number }
  | { readonly cancel: number }
  | { readonly progress: true };

const RESULT = { '=': 0, '>': 1, '<': 2, '!=': 3 } as const;
const TARGET = { version: 0, create: 1, mod: 2, value: 3, lease: 4 } as const;
/** The field of what is compared with. */
const OPERAND = { version: 4, create: 5, mod: 6, value: 7, lease: 8 } as const;
const SORT_ORDER = { asc: 1, desc: 2 } as const;
const SORT_TARGET = { key: 0, version: 1, create: 2, mod: 3, value: 4 } as const;
const NO_COMPARES: readonly Compare[] = [];
const NO_OPS: readonly Op[] = [];

const writer = new ProtobufWriter();

export function encodeRange(query: RangeQuery): Buffer {
  return written(() => writeRange(query));
}

/** One transaction as it is; none or several as one that has them nested. */
export function encodeTxns(txns: readonly Txn[]): Buffer {
  return written(() => {
    if (txns.length === 1) return writeTxn(txns[0]!);
    for (let i = txns.length - 1; i >= 0; i--) {
      const outer = writer.length;
      writeTxn(txns[i]!);
      writer.message(4, outer);
      writer.message(2, outer);
    }
  });
}

export function encodeWatch(request: WatchRequest): Buffer {
  return written(() => {
    if ('create' in request) {
      writer.flag(8);
      writer.number(7, request.id);
      writer.int64(3, request.startRevision);
      writeKeys(request.create);
      writer.message(1, 0);
    } else if ('cancel' in request) {
      writer.number(1, request.cancel);
      writer.message(2, 0);
    } else writer.message(3, 0);
  });
}

export function encodeRenewal(leaseId: bigint): Buffer {
  return written(() => writer.int64(1, leaseId));
}

function written(write: () => void): Buffer {
  writer.reset();
  write();
  return writer.finish();
}

function writeTxn({ compare = NO_COMPARES, success, failure = NO_OPS }: Txn): void {
  for (let i = failure.length - 1; i >= 0; i--) writeOp(3, failure[i]!);
  for (let i = success.length - 1; i >= 0; i--) writeOp(2, success[i]!);
  for (let i = compare.length - 1; i >= 0; i--) writeCompare(compare[i]!);
}

function writeOp(field: number, op: Op): void {
  const { length } = writer;
  if ('put' in op) {
    const { key, value, lease } = op.put;
    if (lease !== undefined) writer.int64(3, lease);
    writer.bytes(2, value);
    writer.key(1, key);
    writer.message(2, length);
  } else if ('delete' in op) {
    writeKeys(op.delete);
    writer.message(3, length);
  } else {
    writeRange(op.range);
    writer.message(1, length);
  }
  writer.message(field, length);
}

function writeCompare(compare: Compare): void {
  const { length } = writer;
  const { key, end, op = '=', target, value } = compare;
  if (end !== undefined) writer.key(64, end);
  if (typeof value === 'bigint') writer.int64(OPERAND[target], value);
  else writer.bytes(OPERAND[target], value);
  writer.key(3, key);
  writer.number(2, TARGET[target]);
  writer.number(1, RESULT[op]);
  writer.message(1, length);
}

function writeKeys({ key, end }: KeyRange): void {
  if (end !== undefined) writer.key(2, end);
  writer.key(1, key);
}

function writeRange(query: RangeQuery): void {
  const { limit, revision, sort, keysOnly, countOnly } = query;
  if (countOnly) writer.flag(9);
  if (keysOnly) writer.flag(8);
  if (sort) {
    writer.number(6, SORT_TARGET[sort.by]);
    writer.number(5, SORT_ORDER[sort.order]);
  }
  if (revision !== undefined) writer.int64(4, revision);
  if (limit !== undefined) writer.number(3, limit);
  writeKeys(query);
}
