import type { Compare, Op, OpResult, Txn } from '../etcd/kv.js';
import { prefixRange } from '../etcd/kv.js';
import { isSharedPlace } from './queue-layout.js';
import type { Place } from './place.js';

/** So many places a reader looks at for an exclusive one among them; behind more it waits for its watch to tell. */
const READERS_SEEN = 100;

const OLDEST_FIRST = { by: 'create', order: 'asc' } as const;

/** Takes the place, unless its epoch is over or its slot occupied, and reads who is at the head of each queue. */
export function enqueueTxn(place: Place): Txn {
  return {
    compare: [
      inThisEpoch(place),
      ...place.keys.map((key) => ({ key, target: 'create', value: 0n }) as const),
    ],
    success: [...puts(place), ...heads(place, READERS_SEEN)],
    failure: [epochOf(place)],
  };
}

/** The same for a try, which does not wait for a watch to tell. */
export function enqueueTryTxn(place: Place): Txn {
  return { ...enqueueTxn(place), success: [...puts(place), ...heads(place)] };
}

/** Takes the place only if every queue is empty: a failed try writes nothing, hence makes no revision. */
export function tryTxn(place: Place): Txn {
  return {
    compare: [
      inThisEpoch(place),
      ...place.request.queues.map(
        (queue) => ({ ...prefixRange(queue), target: 'create', value: 0n }) as const,
      ),
    ],
    success: [...puts(place), ...heads(place)],
    failure: [epochOf(place)],
  };
}

/**
 * Ends the epoch of an attempt whose answer was lost, unless that was done before, and reads whether it took its place:
 * if not, it never will. May be repeated.
 */
export function settleTxn(place: Place): Txn {
  const state: readonly Op[] = [{ range: { key: place.keys[0]!, keysOnly: true } }, ...heads(place)];
  return {
    compare: [{ key: place.epoch.key, target: 'mod', value: place.sentIn }],
    success: [{ put: { key: place.epoch.key, value: '', lease: place.session.leaseId } }, ...state],
    failure: [epochOf(place), ...state],
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
export function isAdmitted({ keys, request }: Place, heads: readonly OpResult[]): boolean {
  return heads.every(({ kvs }, index) => {
    const own = keys[index];
    if (!request.admission.shared) return kvs.some(({ key }) => key === own);
    for (const { key } of kvs) {
      if (key === own) return true;
      if (!isSharedPlace(key)) return false;
    }
    return false;
  });
}

/**
 * Read when the attempt is sent, not when it is made: thousands may wait to be sent when an epoch ends, and would all have to
 * be made anew.
 */
function inThisEpoch(place: Place): Compare {
  return {
    key: place.epoch.key,
    target: 'mod',
    get value() {
      return (place.sentIn = place.epoch.current);
    },
  };
}

function epochOf({ epoch }: Place): Op {
  return { range: { key: epoch.key, keysOnly: true } };
}

function puts({ keys, request, session }: Place): readonly Op[] {
  return keys.map((key) => ({ put: { key, value: request.value, lease: session.leaseId } }));
}

/** @param most places that a reader looks at; @default all */
function heads({ request: { queues, admission } }: Place, most?: number): readonly Op[] {
  const limit = admission.shared ? most : admission.limit;
  return queues.map((queue) => {
    const { key, end } = prefixRange(queue);
    return { range: { key, end, limit, keysOnly: true, sort: OLDEST_FIRST } };
  });
}
