import { etcdErrors } from './etcd-status.js';
import {
  type DeleteRangeRequest,
  type DeleteRangeResponse,
  type PutRequest,
  type PutResponse,
} from './messages.js';
import { type MvccStore } from './mvcc-store.js';
import { keyText, spanOf } from './span.js';
import { wireKeyValue } from './answers.js';

/** Whether a lease is there. */
export type LeaseLookup = (lease: bigint) => boolean;

/** Puts inside a running transaction whose request has passed {@link checkPut}. */
export function putCall(store: MvccStore, request: PutRequest): PutResponse {
  const key = keyText(request.key);
  const [previous] = store.read({ from: key, to: `${key}\0` });
  const value = request.ignoreValue && previous ? previous.value : request.value;
  const lease = request.ignoreLease && previous ? previous.lease : BigInt(request.lease);
  store.put(key, value, lease);
  const prevKv = request.prevKv && previous ? { prevKv: wireKeyValue(previous) } : {};
  return { header: { revision: store.revision + 1 }, ...prevKv };
}

/** Deletes inside a running transaction. */
export function deleteCall(store: MvccStore, request: DeleteRangeRequest): DeleteRangeResponse {
  const span = spanOf(request.key, request.rangeEnd);
  const prevKvs = request.prevKv ? store.read(span).map((each) => wireKeyValue(each)) : [];
  const deleted = store.delete(span);
  return { header: { revision: store.readRevision }, deleted, prevKvs };
}

/** What must hold before a put may write: the key it takes value or lease from is there, and so is its lease. */
export function checkPut(store: MvccStore, request: PutRequest, hasLease: LeaseLookup): void {
  const key = keyText(request.key);
  const asked = request.ignoreValue || request.ignoreLease;
  if (asked && store.read({ from: key, to: `${key}\0` }).length === 0) throw etcdErrors.keyNotFound();
  const lease = BigInt(request.lease);
  if (lease !== 0n && !hasLease(lease)) throw etcdErrors.leaseNotFound();
}
