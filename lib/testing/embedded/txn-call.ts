import { etcdErrors } from './etcd-status.js';
import {
  type RangeRequest,
  type RequestOp,
  type ResponseOp,
  type TxnRequest,
  type TxnResponse,
} from './messages.js';
import { type MvccStore } from './mvcc-store.js';
import { checkPut, deleteCall, type LeaseLookup, putCall } from './write-calls.js';
import { holds } from './compare.js';
import { rangeCall } from './range-call.js';

/** A transaction with its branches chosen, those of its nested transactions too. */
interface Plan {
  readonly succeeded: boolean;
  readonly steps: readonly (RequestOp | { readonly nested: Plan })[];
}

/**
 * Runs a transaction as etcd does: every comparison, nested ones too, is made before anything is written; then every
 * operation of the chosen branches is checked; only then are they run, all at one revision.
 */
export function txnCall(store: MvccStore, request: TxnRequest, hasLease: LeaseLookup): TxnResponse {
  const plan = planOf(store, request);
  for (const op of operations(plan)) if (op.requestPut) checkPut(store, op.requestPut, hasLease);
  for (const op of operations(plan)) if (op.requestRange) checkRange(store, op.requestRange);
  return store.transact(() => ({
    ...run(store, plan),
    header: { revision: store.readRevision },
  }));
}

function planOf(store: MvccStore, request: TxnRequest): Plan {
  const succeeded = request.compare.every((compare) => holds(store, compare));
  const ops = succeeded ? request.success : request.failure;
  const steps = ops.map((op) => (op.requestTxn ? { nested: planOf(store, op.requestTxn) } : op));
  return { succeeded, steps };
}

function* operations(plan: Plan): Generator<RequestOp> {
  for (const step of plan.steps) {
    if ('nested' in step) yield* operations(step.nested);
    else yield step;
  }
}

function checkRange(store: MvccStore, request: RangeRequest): void {
  const revision = Number(request.revision);
  if (revision === 0) return;
  if (revision > store.revision) throw etcdErrors.futureRevision();
  if (revision < store.compacted) throw etcdErrors.compacted();
}

function run(store: MvccStore, plan: Plan): TxnResponse {
  const responses = plan.steps.map((step): ResponseOp => {
    if ('nested' in step) return { responseTxn: { header: { revision: 0 }, ...run(store, step.nested) } };
    if (step.requestPut) return { responsePut: putCall(store, step.requestPut) };
    if (step.requestDeleteRange) return { responseDeleteRange: deleteCall(store, step.requestDeleteRange) };
    if (step.requestRange) return { responseRange: rangeCall(store, step.requestRange) };
    return {};
  });
  return { succeeded: plan.succeeded, responses };
}
