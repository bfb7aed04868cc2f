import type {
  Compare,
  KeyRange,
  KeyValue,
  Op,
  OpResult,
  RangeQuery,
  RangeResult,
  Txn,
  TxnResult,
} from './kv.js';
import { ProtobufReader } from './protobuf-reader.js';
import { ProtobufWriter } from './protobuf-writer.js';

// The messages of etcd that go to and fro by the thousand (ranges, transactions, watches, renewals), between their bytes and
// the forms of this room. The numbers of their fields are those of etcd's api/etcdserverpb/rpc.proto and api/mvccpb/kv.proto.
// etcd3's own way, over protobufjs' objects, a second object, and text for each number, was half of what a lock costs.

export interface WatchEvent {
  readonly deleted: boolean;
  /** Of a deletion: the key and, as `modRevision`, the revision of the deletion. */
  readonly kv: KeyValue;
}

export type WatchRequest =
  | { readonly create: KeyRange; readonly startRevision: bigint; readonly id: number }
  | { readonly cancel: number }
  | { readonly progress: true };

export interface WatchResponse {
  readonly id: number;
  readonly created: boolean;
  readonly cancelled: boolean;
  /** Where the history begins, if that is why etcd cancelled the watch; else `0n`. */
  readonly compactRevision: bigint;
  readonly reason: string;
  /** More of the same revision follows. */
  readonly fragment: boolean;
  readonly events: readonly WatchEvent[];
}

export interface RenewalAnswer {
  readonly leaseId: bigint;
  /** What was granted, in seconds; 0 if the lease is gone. */
  readonly ttl: number;
}

const RESULT = { '=': 0, '>': 1, '<': 2, '!=': 3 } as const;
const TARGET = { version: 0, create: 1, mod: 2, value: 3, lease: 4 } as const;
/** The field of what is compared with. */
const OPERAND = { version: 4, create: 5, mod: 6, value: 7, lease: 8 } as const;
const SORT_ORDER = { asc: 1, desc: 2 } as const;
const SORT_TARGET = { key: 0, version: 1, create: 2, mod: 3, value: 4 } as const;
const NO_KEYS: readonly KeyValue[] = [];
const NO_EVENTS: readonly WatchEvent[] = [];
const NO_COMPARES: readonly Compare[] = [];
const NO_OPS: readonly Op[] = [];
const NOTHING = Buffer.alloc(0);
const DONE: OpResult = { kvs: NO_KEYS, count: 0, more: false };

type Writable<T> = { -readonly [K in keyof T]: T[K] };

const writer = new ProtobufWriter();

function written(write: () => void): Buffer {
  writer.reset();
  write();
  return writer.finish();
}

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

export function decodeRange(bytes: Buffer): RangeResult {
  const reader = new ProtobufReader(bytes);
  return readRange(reader, reader.end);
}

/** @param count how many transactions it answers */
export function decodeTxns(bytes: Buffer, count: number): readonly TxnResult[] {
  const reader = new ProtobufReader(bytes);
  if (count === 1) return [readTxn(reader, reader.end)];
  let revision = 0n;
  const nested: Writable<TxnResult>[] = [];
  while (reader.next(reader.end)) {
    if (reader.field === 1) revision = readRevision(reader, reader.message());
    else if (reader.field === 3) nested.push(readNested(reader, reader.message()));
    else reader.skip();
  }
  // What is nested has no revision of its own.
  for (const each of nested) each.revision = revision;
  return nested;
}

export function decodeWatch(bytes: Buffer): WatchResponse {
  const reader = new ProtobufReader(bytes);
  let [id, created, cancelled, compactRevision, reason, fragment] = [0, false, false, 0n, '', false];
  let events: WatchEvent[] | undefined;
  while (reader.next(reader.end)) {
    if (reader.field === 2) id = reader.number();
    else if (reader.field === 3) created = reader.flag();
    else if (reader.field === 4) cancelled = reader.flag();
    else if (reader.field === 5) compactRevision = reader.int64();
    else if (reader.field === 6) reason = reader.text();
    else if (reader.field === 7) fragment = reader.flag();
    else if (reader.field === 11) (events ??= []).push(readEvent(reader, reader.message()));
    else reader.skip();
  }
  return { id, created, cancelled, compactRevision, reason, fragment, events: events ?? NO_EVENTS };
}

export function decodeRenewal(bytes: Buffer): RenewalAnswer {
  const reader = new ProtobufReader(bytes);
  let [leaseId, ttl] = [0n, 0];
  while (reader.next(reader.end)) {
    if (reader.field === 2) leaseId = reader.int64();
    else if (reader.field === 3) ttl = reader.number();
    else reader.skip();
  }
  return { leaseId, ttl };
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

function readNested(reader: ProtobufReader, end: number): Writable<TxnResult> {
  let txn: Writable<TxnResult> | undefined;
  while (reader.next(end)) txn = readTxn(reader, reader.message());
  return txn!;
}

function readTxn(reader: ProtobufReader, end: number): Writable<TxnResult> {
  let revision = 0n;
  let succeeded = false;
  const results: OpResult[] = [];
  while (reader.next(end)) {
    if (reader.field === 1) revision = readRevision(reader, reader.message());
    else if (reader.field === 2) succeeded = reader.flag();
    else if (reader.field === 3) results.push(readOp(reader, reader.message()));
    else reader.skip();
  }
  return { succeeded, revision, results };
}

function readOp(reader: ProtobufReader, end: number): OpResult {
  let result = DONE;
  while (reader.next(end)) {
    if (reader.field === 1) result = readRange(reader, reader.message());
    else if (reader.field === 3) result = { ...DONE, count: readDeleted(reader, reader.message()) };
    else reader.skip();
  }
  return result;
}

function readRange(reader: ProtobufReader, end: number): RangeResult {
  let [revision, more, count] = [0n, false, 0];
  let kvs: KeyValue[] | undefined;
  while (reader.next(end)) {
    if (reader.field === 1) revision = readRevision(reader, reader.message());
    else if (reader.field === 2) (kvs ??= []).push(readKeyValue(reader, reader.message()));
    else if (reader.field === 3) more = reader.flag();
    else if (reader.field === 4) count = reader.number();
    else reader.skip();
  }
  return { kvs: kvs ?? NO_KEYS, count, more, revision };
}

function readDeleted(reader: ProtobufReader, end: number): number {
  let count = 0;
  while (reader.next(end)) {
    if (reader.field === 2) count = reader.number();
    else reader.skip();
  }
  return count;
}

function readRevision(reader: ProtobufReader, end: number): bigint {
  let revision = 0n;
  while (reader.next(end)) {
    if (reader.field === 3) revision = reader.int64();
    else reader.skip();
  }
  return revision;
}

function readEvent(reader: ProtobufReader, end: number): WatchEvent {
  let deleted = false;
  let kv: KeyValue | undefined;
  while (reader.next(end)) {
    if (reader.field === 1) deleted = reader.number() === 1;
    else if (reader.field === 2) kv = readKeyValue(reader, reader.message());
    else reader.skip();
  }
  return { deleted, kv: kv! };
}

function readKeyValue(reader: ProtobufReader, end: number): KeyValue {
  let key = '';
  let value: Buffer = NOTHING;
  let [createRevision, modRevision, version, lease] = [0n, 0n, 0n, 0n];
  while (reader.next(end)) {
    if (reader.field === 1) key = reader.key();
    else if (reader.field === 2) createRevision = reader.int64();
    else if (reader.field === 3) modRevision = reader.int64();
    else if (reader.field === 4) version = reader.int64();
    else if (reader.field === 5) value = reader.bytes();
    else if (reader.field === 6) lease = reader.int64();
    else reader.skip();
  }
  return { key, value, createRevision, modRevision, version, lease };
}
