import type { KeyValue } from '../coord/etcd/kv.js';
import { type LockHolder, parseHolder } from '../coord/lock/lock-holder.js';
import { parsePlace } from '../coord/lock/queue-layout.js';

/** One place in the queue of a lock, as an operator sees it. */
export interface LockRow {
  readonly key: string;
  readonly kind: 'lock' | 'read' | 'semaphore';
  /** `held`: at the head; of a semaphore nobody but its users knows how many may be. */
  readonly state: 'held' | 'waits' | 'in line';
  /** The turn in its queue, from 1. */
  readonly turn: number;
  readonly lease: string;
  readonly token: bigint;
  /** Who and since when; `undefined` for a client of another kind, such as `etcdctl lock`. */
  readonly holder: LockHolder | undefined;
  readonly etcdKey: string;
}

/** The places below `root`, by queue and turn. */
export function lockRows(root: string, kvs: readonly KeyValue[]): LockRow[] {
  const queues = new Map<string, LockRow[]>();
  const writersAhead = new Map<string, number>();
  const inOrder = [...kvs].sort((a, b) => (a.createRevision < b.createRevision ? -1 : 1));
  for (const kv of inOrder) {
    const place = parsePlace(root, kv.key);
    if (!place) continue;
    const queue = kv.key.slice(0, kv.key.lastIndexOf('/'));
    const rows = queues.get(queue) ?? [];
    const ahead = writersAhead.get(queue) ?? 0;
    const holds = place.shared ? ahead === 0 : rows.length === 0;
    const kind = place.shared ? 'read' : place.kind;
    rows.push({
      key: place.key,
      kind,
      state: kind === 'semaphore' ? 'in line' : holds ? 'held' : 'waits',
      turn: rows.length + 1,
      lease: place.lease,
      token: kv.createRevision,
      holder: parseHolder(kv.value),
      etcdKey: kv.key,
    });
    if (!place.shared) writersAhead.set(queue, ahead + 1);
    queues.set(queue, rows);
  }
  return [...queues.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, rows]) => rows);
}

export const LOCK_HEADINGS = ['LOCK', 'KIND', 'TURN', 'STATE', 'INSTANCE', 'HOST', 'PID', 'SINCE', 'LEASE'];

export function lockCells({ key, kind, turn, state, holder, lease }: LockRow): string[] {
  return [
    key,
    kind,
    String(turn),
    state,
    holder?.instance ?? '-',
    holder?.host ?? '-',
    holder ? String(holder.pid) : '-',
    holder?.since ?? '-',
    lease,
  ];
}

export function lockJson({ key, kind, turn, state, holder, lease, token }: LockRow): object {
  return { key, kind, turn, state, token: token.toString(), lease, ...holder };
}
