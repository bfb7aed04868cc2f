import type { Observable } from 'rxjs';
import type { EtcdClient } from '../etcd/etcd.client.js';
import { type KeyValue, prefixRange } from '../etcd/kv.js';
import { SafeObservable, type ThrownReport } from '../etcd/safe-observable.js';

/** Who leads, as etcd says. */
export interface Leader {
  readonly value: string;
  /** The leader's fencing token. */
  readonly token: bigint;
}

/**
 * The leader of a queue of candidates: the current one first, then every change; `null` while there is none. Never
 * errors: while etcd is away the last known leader stays. Completes when the client is closed. What a subscriber throws is
 * reported.
 */
export function watchLeader(
  client: EtcdClient,
  queue: string,
  closing: AbortSignal,
  report: ThrownReport,
): Observable<Leader | null> {
  return new SafeObservable<Leader | null>(report, (subscriber) => {
    if (closing.aborted) {
      subscriber.complete();
      return () => undefined;
    }
    const mirror = client.mirror(prefixRange(queue));
    const candidates = new Map<string, KeyValue>();
    let last: Leader | null | undefined;
    const stop = mirror.subscribe(({ changes }) => {
      for (const { key, current } of changes) {
        if (current) candidates.set(key, current);
        else candidates.delete(key);
      }
      const leader = first(candidates.values());
      if (last !== undefined && last?.token === leader?.token && last?.value === leader?.value) return;
      last = leader;
      subscriber.next(leader);
    });
    const onClosing = (): void => subscriber.complete();
    closing.addEventListener('abort', onClosing, { once: true });
    return () => {
      closing.removeEventListener('abort', onClosing);
      stop();
      mirror.close();
    };
  });
}

function first(candidates: Iterable<KeyValue>): Leader | null {
  let leader: KeyValue | undefined;
  for (const each of candidates) if (!leader || each.createRevision < leader.createRevision) leader = each;
  return leader ? { value: leader.value.toString(), token: leader.createRevision } : null;
}
