import { etcdErrors } from './etcd-status.js';
import {
  type DeleteRangeRequest,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type TxnRequest,
} from './messages.js';
import { keyText, spanHas, spanOf, type Span } from './span.js';

/** The most operations of one branch of a transaction, and of its comparisons: etcd's default `--max-txn-ops`. */
const MAX_TXN_OPS = 128;

/** What can be refused by looking at the request alone. */
export function checkKey(request: RangeRequest | DeleteRangeRequest): void {
  if (request.key.length === 0) throw etcdErrors.emptyKey();
}

export function checkPutShape(request: PutRequest): void {
  if (request.key.length === 0) throw etcdErrors.emptyKey();
  if (request.ignoreValue && request.value.length > 0) throw etcdErrors.valueProvided();
  if (request.ignoreLease && request.lease !== '0') throw etcdErrors.leaseProvided();
}

/** The shape of a transaction, its nested ones included, and that no key is put twice or put and deleted. */
export function checkTxnShape(request: TxnRequest): void {
  checkOps(request, MAX_TXN_OPS);
  footprint(request.success);
  footprint(request.failure);
}

/** A nested transaction may have as many operations as its parents have left over: 128 less theirs. */
function checkOps(request: TxnRequest, most: number): void {
  const { compare, success, failure } = request;
  const operations = Math.max(compare.length, success.length, failure.length);
  if (operations > most) throw etcdErrors.tooManyOps();
  if (compare.some(({ key }) => key.length === 0)) throw etcdErrors.emptyKey();
  for (const op of [...success, ...failure]) {
    if (op.requestRange) checkKey(op.requestRange);
    else if (op.requestPut) checkPutShape(op.requestPut);
    else if (op.requestDeleteRange) checkKey(op.requestDeleteRange);
    else if (op.requestTxn) checkOps(op.requestTxn, most - operations);
    else throw etcdErrors.keyNotFound();
  }
}

interface Footprint {
  readonly puts: Set<string>;
  readonly deletes: Span[];
}

/**
 * The keys that a list of operations puts and deletes; throws if one key is put twice or both put and deleted. Only the
 * two branches of one nested transaction may put the same key, since only one of them runs.
 */
function footprint(ops: readonly RequestOp[]): Footprint {
  const puts = new Set<string>();
  const deletes: Span[] = [];
  const put = (key: string, mayRepeat?: ReadonlySet<string>): void => {
    if (puts.has(key) && mayRepeat?.has(key) !== true) throw etcdErrors.duplicateKey();
    if (deletes.some((span) => spanHas(span, key))) throw etcdErrors.duplicateKey();
    puts.add(key);
  };
  for (const { requestDeleteRange: request } of ops) {
    if (request) deletes.push(deletedSpan(request));
  }
  for (const { requestTxn: request } of ops) {
    if (!request) continue;
    const success = footprint(request.success);
    const failure = footprint(request.failure);
    for (const key of success.puts) put(key);
    for (const key of failure.puts) put(key, success.puts);
    deletes.push(...success.deletes, ...failure.deletes);
  }
  for (const { requestPut: request } of ops) {
    if (request) put(keyText(request.key));
  }
  return { puts, deletes };
}

/** etcd does not see "to the last key" here: it takes the zero byte as the end, and the span is empty. */
function deletedSpan(request: DeleteRangeRequest): Span {
  const span = spanOf(request.key, request.rangeEnd);
  return span.to === undefined ? { from: span.from, to: '\0' } : span;
}
