import { type Metadata, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { etcdErrors } from './etcd-status.js';
import {
  type DeleteRangeRequest,
  type Header,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type RequestSize,
  type TxnRequest,
} from './messages.js';
import { rangeCall } from './range-call.js';
import { checkKey, checkPutShape, checkTxnShape } from './request-checks.js';
import { unary } from './rpc.js';
import { type ServerState } from './server-state.js';
import { spanOf } from './span.js';
import { txnCall } from './txn-call.js';
import { checkPut, deleteCall, putCall } from './write-calls.js';

/** etcd's `--max-request-bytes`: 1.5 MiB, for the request and the envelope it travels to the other members in. */
const MAX_REQUEST_BYTES = 1.5 * 1024 * 1024;
const ENVELOPE_BYTES = 20;

/** etcd's KV service. */
export function kvService(state: ServerState): UntypedServiceImplementation {
  const { store, leases, auth } = state;
  const hasLease = (lease: bigint): boolean => leases.has(lease);
  const filled = <T extends { readonly header?: Header }>(response: T): T => ({
    ...response,
    header: state.header(Number(response.header?.revision)),
  });
  const checkSize = ({ wireSize = 0 }: RequestSize): void => {
    if (wireSize + ENVELOPE_BYTES > MAX_REQUEST_BYTES) throw etcdErrors.requestTooLarge();
  };
  const checkAccess = (caller: string | undefined, op: RequestOp): void => {
    const { requestRange: range, requestPut: put, requestDeleteRange: del, requestTxn: txn } = op;
    if (range) auth.check(caller, 'read', spanOf(range.key, range.rangeEnd));
    if (put) auth.check(caller, 'write', spanOf(put.key, Buffer.alloc(0)));
    if (put?.prevKv) auth.check(caller, 'read', spanOf(put.key, Buffer.alloc(0)));
    if (del) auth.check(caller, 'write', spanOf(del.key, del.rangeEnd));
    if (del?.prevKv) auth.check(caller, 'read', spanOf(del.key, del.rangeEnd));
    if (!txn) return;
    for (const each of txn.compare) auth.check(caller, 'read', spanOf(each.key, each.rangeEnd));
    for (const each of [...txn.success, ...txn.failure]) checkAccess(caller, each);
  };
  const admit = (metadata: Metadata, op: RequestOp): void => {
    leases.expireDue();
    if (auth.enabled) checkAccess(state.caller(metadata), op);
  };
  return {
    Range: unary((request: RangeRequest, metadata) => {
      checkKey(request);
      admit(metadata, { requestRange: request });
      return filled(rangeCall(store, request));
    }),
    Put: unary((request: PutRequest & RequestSize, metadata) => {
      checkPutShape(request);
      checkSize(request);
      admit(metadata, { requestPut: request });
      if (request.lease !== '0' && !hasLease(BigInt(request.lease))) throw etcdErrors.leaseNotFound();
      checkPut(store, request, hasLease);
      return filled(store.transact(() => putCall(store, request)));
    }),
    DeleteRange: unary((request: DeleteRangeRequest & RequestSize, metadata) => {
      checkKey(request);
      checkSize(request);
      admit(metadata, { requestDeleteRange: request });
      return filled(store.transact(() => deleteCall(store, request)));
    }),
    Txn: unary((request: TxnRequest & RequestSize, metadata) => {
      checkTxnShape(request);
      checkSize(request);
      admit(metadata, { requestTxn: request });
      return filled(txnCall(store, request, hasLease));
    }),
    Compact: unary((request: { readonly revision: string }, metadata) => {
      state.caller(metadata);
      store.compact(Number(request.revision));
      return { header: state.header() };
    }),
  };
}
