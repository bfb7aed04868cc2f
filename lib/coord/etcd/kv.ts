/** One key as etcd keeps it. Revisions are `bigint`: they are 64 bits wide on the wire. */
export interface KeyValue {
  readonly key: string;
  readonly value: Buffer;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly version: bigint;
  /** The lease the key hangs on; `0n` for none. */
  readonly lease: bigint;
}

/** What a key costs on the wire beside itself and its value, generously. */
const KEY_OVERHEAD = 64;

/** How many bytes the keys take on the wire, about. */
export function weightOf(kvs: Iterable<KeyValue>): number {
  let bytes = 0;
  for (const { key, value } of kvs) bytes += key.length + value.length + KEY_OVERHEAD;
  return bytes;
}

/** Whether nothing tells the two apart: the same write of the same key, as far as one can see. */
export function isSameKeyValue(a: KeyValue, b: KeyValue): boolean {
  return (
    a.key === b.key &&
    a.modRevision === b.modRevision &&
    a.createRevision === b.createRevision &&
    a.version === b.version &&
    a.lease === b.lease &&
    a.value.equals(b.value)
  );
}

/** The keys from `key` up to, not including, `end`; without `end` the one key. `end: '\0'` means "to the last key". */
export interface KeyRange {
  readonly key: string;
  readonly end?: string;
}

export interface RangeQuery extends KeyRange {
  /** The most keys to return. @default no limit */
  readonly limit?: number | undefined;
  /** Read the store as it was at this revision. @default the newest */
  readonly revision?: bigint;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
  readonly sort?: {
    readonly by: 'key' | 'create' | 'mod' | 'version' | 'value';
    readonly order: 'asc' | 'desc';
  };
}

export interface PutRequest {
  readonly key: string;
  readonly value: string | Buffer;
  readonly lease?: bigint;
}

/** `op` relates what etcd has to `value`; with `end`, the comparison must hold for every key of the range. */
export type Compare = KeyRange & { readonly op?: '=' | '!=' | '<' | '>' } & (
    | { readonly target: 'create' | 'mod' | 'version' | 'lease'; readonly value: bigint }
    | { readonly target: 'value'; readonly value: string | Buffer }
  );

export type Op =
  { readonly put: PutRequest } | { readonly delete: KeyRange } | { readonly range: RangeQuery };

/** All of `success` happens if every comparison holds, else all of `failure`; in one revision, or not at all. */
export interface Txn {
  readonly compare?: readonly Compare[];
  readonly success: readonly Op[];
  readonly failure?: readonly Op[];
}

/** The answer to one operation: of a range the keys found, of a delete the number deleted, of a put nothing. */
export interface OpResult {
  readonly kvs: readonly KeyValue[];
  /** Of a range the keys in it whatever the limit; of a delete the keys deleted. */
  readonly count: number;
  /** Of a range: keys were left out because of the limit. */
  readonly more: boolean;
}

export interface RangeResult extends OpResult {
  /** The store's revision when the answer was made. */
  readonly revision: bigint;
}

export interface TxnResult {
  readonly succeeded: boolean;
  /** The store's revision after the transaction; of one that wrote, the revision of its writes. */
  readonly revision: bigint;
  /** One result for each operation of the branch that ran, in order. */
  readonly results: readonly OpResult[];
}

/** The range of all keys that start with `prefix`. An empty prefix is the whole store. */
export function prefixRange(prefix: string): { readonly key: string; readonly end: string } {
  if (prefix === '') return { key: '\0', end: '\0' };
  // Keys are ordered by byte. Ours are ASCII up to the last character of a prefix ('/'), so adding one to it is exact.
  const last = prefix.charCodeAt(prefix.length - 1);
  return { key: prefix, end: prefix.slice(0, -1) + String.fromCharCode(last + 1) };
}
