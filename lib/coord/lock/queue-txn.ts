import type { Op, OpResult, RangeQuery, Txn } from '../etcd/kv.js';
import { prefixRange } from '../etcd/kv.js';
import type { Place } from './place.js';

/** Takes the place, unless its slot is occupied or the attempt was withdrawn, and reads who is at the head of each queue. */
export function enqueueTxn(place: Place, withdrawn: string): Txn {
  return {
    compare: [
      { key: withdrawn, target: 'create', value: 0n },
      ...place.keys.map((key) => ({ key, target: 'create', value: 0n }) as const),
    ],
    success: [...puts(place), ...heads(place)],
  };
}

/** Takes the place only if every queue is empty: a failed try writes nothing, hence makes no revision. */
export function tryTxn(place: Place, withdrawn: string): Txn {
  return {
    compare: [
      { key: withdrawn, target: 'create', value: 0n },
      ...place.request.queues.map(
        (queue) => ({ ...prefixRange(queue), target: 'create', value: 0n }) as const,
      ),
    ],
    success: [...puts(place), ...heads(place)],
  };
}

/**
 * Settles an attempt whose answer was lost: the place was taken, or, from now on, never will be, however late the
 * attempt arrives. May be repeated.
 */
export function resolveTxn(place: Place, withdrawn: string): Txn {
  return {
    compare: mine(place),
    success: [{ range: { key: place.keys[0]!, keysOnly: true } }, ...heads(place)],
    failure: [{ put: { key: withdrawn, value: '', lease: place.session.leaseId } }],
  };
}

/** Gives up an attempt of unknown outcome: what it took is deleted, what it did not take it never will. May be repeated. */
export function withdrawTxn(place: Place, withdrawn: string): Txn {
  const mark: Op = { put: { key: withdrawn, value: '', lease: place.session.leaseId } };
  return {
    compare: mine(place),
    success: [...place.keys.map((key) => ({ delete: { key } })), mark],
    failure: [mark],
  };
}

/** Deletes one key of a place that etcd has confirmed; of nobody else, even if the key was made again. */
export function leaveTxn(key: string, revision: bigint): Txn {
  return { compare: [{ key, target: 'create', value: revision }], success: [{ delete: { key } }] };
}

/** Moves one key of a place to another lease; it keeps its create revision, hence its turn. */
export function lingerTxn(key: string, revision: bigint, value: string, lease: bigint): Txn {
  return { compare: [{ key, target: 'create', value: revision }], success: [{ put: { key, value, lease } }] };
}

/** Whether the heads that a transaction above read admit the place at once. */
export function isAdmitted(place: Place, heads: readonly OpResult[]): boolean {
  return heads.every(({ kvs }, index) => {
    const own = place.keys[index];
    if (!place.request.admission.shared) return kvs.some(({ key }) => key === own);
    for (const { key } of kvs) {
      if (key === own) return true;
      if (!/-r\d+$/.test(key)) return false;
    }
    return false;
  });
}

function mine({ keys, session }: Place): Txn['compare'] {
  return [{ key: keys[0]!, target: 'lease', value: session.leaseId }];
}

function puts({ keys, request, session }: Place): readonly Op[] {
  return keys.map((key) => ({ put: { key, value: request.value, lease: session.leaseId } }));
}

function heads({ request: { queues, admission } }: Place): readonly Op[] {
  return queues.map((queue) => {
    const range: RangeQuery = { ...prefixRange(queue), keysOnly: true, sort: { by: 'create', order: 'asc' } };
    return { range: admission.shared ? range : { ...range, limit: admission.limit } };
  });
}
