import type { WatchEvent } from './watch-hub.js';

/** Splits events, which come in order, into those of one revision each: what etcd did at once is seen at once. */
export function* byRevision(
  events: readonly WatchEvent[],
): Generator<{ readonly revision: bigint; readonly group: readonly WatchEvent[] }> {
  let from = 0;
  while (from < events.length) {
    const revision = events[from]!.kv.modRevision;
    let to = from + 1;
    while (events[to]?.kv.modRevision === revision) to++;
    yield { revision, group: events.slice(from, to) };
    from = to;
  }
}
