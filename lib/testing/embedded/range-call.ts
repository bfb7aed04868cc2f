import { type KeyVersion } from './key-index.js';
import { type RangeRequest, type RangeResponse } from './messages.js';
import { type MvccStore } from './mvcc-store.js';
import { spanOf } from './span.js';
import { wireKeyValue } from './answers.js';

const SORT_NONE = 0;
const SORT_DESCENDING = 2;
const BY_KEY = 0;

type Order = (a: KeyVersion, b: KeyVersion) => number;

const ORDERS: readonly Order[] = [
  (a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0),
  (a, b) => a.version - b.version,
  (a, b) => a.created - b.created,
  (a, b) => a.revision - b.revision,
  (a, b) => Buffer.compare(a.value, b.value),
];

/** Answers a range request as etcd does, its order of steps included: filters and sorting come before the limit. */
export function rangeCall(store: MvccStore, request: RangeRequest): RangeResponse {
  const header = { revision: store.readRevision };
  const all = store.read(spanOf(request.key, request.rangeEnd), Number(request.revision));
  const count = all.length;
  if (request.countOnly) return { header, kvs: [], more: false, count };
  const limit = Number(request.limit);
  const sorted = sort(filter(beforeLimit(all, request, limit), request), request);
  const more = limit > 0 && sorted.length > limit;
  const kvs = (more ? sorted.slice(0, limit) : sorted).map((each) => wireKeyValue(each, request.keysOnly));
  return { header, kvs, more, count };
}

/**
 * etcd reads only limit + 1 keys when it neither filters nor was told an order. It forgets there that a sort target
 * other than the key sorts even without an order; so do we.
 */
function beforeLimit(all: KeyVersion[], request: RangeRequest, limit: number): KeyVersion[] {
  const filtered =
    request.minModRevision !== '0' ||
    request.maxModRevision !== '0' ||
    request.minCreateRevision !== '0' ||
    request.maxCreateRevision !== '0';
  return limit > 0 && request.sortOrder === SORT_NONE && !filtered ? all.slice(0, limit + 1) : all;
}

function filter(versions: KeyVersion[], request: RangeRequest): KeyVersion[] {
  const [minMod, maxMod] = [Number(request.minModRevision), Number(request.maxModRevision)];
  const [minCreate, maxCreate] = [Number(request.minCreateRevision), Number(request.maxCreateRevision)];
  return versions.filter(
    ({ revision, created }) =>
      (maxMod === 0 || revision <= maxMod) &&
      (minMod === 0 || revision >= minMod) &&
      (maxCreate === 0 || created <= maxCreate) &&
      (minCreate === 0 || created >= minCreate),
  );
}

function sort(versions: KeyVersion[], request: RangeRequest): KeyVersion[] {
  const { sortOrder, sortTarget } = request;
  const order = ORDERS[sortTarget];
  if (order === undefined || (sortTarget === BY_KEY && sortOrder === SORT_NONE)) return versions;
  return versions.sort(sortOrder === SORT_DESCENDING ? (a, b) => order(b, a) : order);
}
