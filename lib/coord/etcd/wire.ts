import type {
  ICompare,
  IKeyValue,
  IRangeRequest,
  IRangeResponse,
  IRequestOp,
  IResponseOp,
  ITxnRequest,
  ITxnResponse,
} from 'etcd3';
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
import { keyToBytes, keyToText } from './key-bytes.js';

const COMPARE_RESULT = { '=': 'Equal', '!=': 'NotEqual', '<': 'Less', '>': 'Greater' } as const;
const SORT_ORDER = { asc: 'Ascend', desc: 'Descend' } as const;
const SORT_TARGET = { key: 'Key', create: 'Create', mod: 'Mod', version: 'Version', value: 'Value' } as const;
const NOTHING: OpResult = { kvs: [], count: 0, more: false };

export function encodeKeys({ key, end }: KeyRange): { key: Buffer; range_end?: Buffer } {
  return { key: keyToBytes(key), ...(end !== undefined && { range_end: keyToBytes(end) }) };
}

export function encodeRange(query: RangeQuery): IRangeRequest {
  return {
    ...encodeKeys(query),
    ...(query.limit !== undefined && { limit: query.limit }),
    ...(query.revision !== undefined && { revision: query.revision.toString() }),
    ...(query.keysOnly && { keys_only: true }),
    ...(query.countOnly && { count_only: true }),
    ...(query.sort && {
      sort_order: SORT_ORDER[query.sort.order],
      sort_target: SORT_TARGET[query.sort.by],
    }),
  };
}

export function encodeTxn({ compare = [], success, failure = [] }: Txn): ITxnRequest {
  return {
    compare: compare.map(encodeCompare),
    success: success.map(encodeOp),
    failure: failure.map(encodeOp),
  };
}

function encodeCompare(compare: Compare): ICompare {
  const common = { ...encodeKeys(compare), result: COMPARE_RESULT[compare.op ?? '='] };
  switch (compare.target) {
    case 'create':
      return { ...common, target: 'Create', create_revision: compare.value.toString() };
    case 'mod':
      return { ...common, target: 'Mod', mod_revision: compare.value.toString() };
    case 'version':
      return { ...common, target: 'Version', version: compare.value.toString() };
    case 'lease':
      return { ...common, target: 'Lease', lease: compare.value.toString() };
    case 'value':
      return { ...common, target: 'Value', value: Buffer.from(compare.value) };
  }
}

function encodeOp(op: Op): IRequestOp {
  if ('range' in op) return { request_range: encodeRange(op.range) };
  if ('delete' in op) return { request_delete_range: encodeKeys(op.delete) };
  const { key, value, lease } = op.put;
  return {
    request_put: {
      key: keyToBytes(key),
      value: Buffer.from(value),
      ...(lease !== undefined && { lease: lease.toString() }),
    },
  };
}

export function decodeKeyValue(kv: IKeyValue): KeyValue {
  return {
    key: keyToText(kv.key),
    value: kv.value,
    createRevision: BigInt(kv.create_revision),
    modRevision: BigInt(kv.mod_revision),
    version: BigInt(kv.version),
    lease: BigInt(kv.lease),
  };
}

export function decodeRange(response: IRangeResponse): RangeResult {
  return { ...decodeFound(response), revision: BigInt(response.header.revision) };
}

function decodeFound(response: IRangeResponse): OpResult {
  return { kvs: response.kvs.map(decodeKeyValue), count: Number(response.count), more: response.more };
}

export function decodeTxn(response: ITxnResponse, revision = BigInt(response.header.revision)): TxnResult {
  return { succeeded: response.succeeded, revision, results: response.responses.map(decodeOp) };
}

function decodeOp(response: IResponseOp): OpResult {
  if (response.response_range) return decodeFound(response.response_range);
  if (response.response_delete_range) {
    return { ...NOTHING, count: Number(response.response_delete_range.deleted) };
  }
  return NOTHING;
}
