import type { KeyValue, OpResult, RangeResult, TxnResult } from './kv.js';
import { ProtobufReader } from './protobuf-reader.js';

// What etcd answers to `requests.ts`, from bytes to the forms of this room. A message that is none is a RangeError.

export interface WatchEvent {
  readonly deleted: boolean;
  /** Of a deletion: the key and, as `modRevision`, the revision of the deletion. */
  readonly kv: KeyValue;
}

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

const NO_KEYS: readonly KeyValue[] = [];
const NO_EVENTS: readonly WatchEvent[] = [];
const NOTHING = Buffer.alloc(0);
const DONE: OpResult = { kvs: NO_KEYS, count: 0, more: false };

type Writable<T> = { -readonly [K in keyof T]: T[K] };

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
  if (nested.length !== count) throw new RangeError(`${nested.length} answers to ${count} transactions`);
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

function readNested(reader: ProtobufReader, end: number): Writable<TxnResult> {
  let txn: Writable<TxnResult> | undefined;
  while (reader.next(end)) txn = readTxn(reader, reader.message());
  if (!txn) throw new RangeError('etcd left a transaction without an answer');
  return txn;
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
    else if (reader.field === 3)
      result = { kvs: NO_KEYS, count: readDeleted(reader, reader.message()), more: false };
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
  if (!kv) throw new RangeError('an event of etcd has no key');
  return { deleted, kv };
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
