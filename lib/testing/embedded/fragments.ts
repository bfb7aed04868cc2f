import { type WatchResponse, type WireEvent } from './messages.js';

/** Above this a response to a watch that asked for fragments is split: etcd's request limit and its allowance. */
const FRAGMENT_BYTES = 2 * 1024 * 1024;
/** Numbers, tags and lengths around one key and value, generously. */
const EVENT_OVERHEAD = 64;

function size({ kv, prevKv }: WireEvent): number {
  const bytes = (part: typeof prevKv): number =>
    part === undefined ? 0 : part.key.length + (part.value?.length ?? 0) + EVENT_OVERHEAD;
  return bytes(kv) + bytes(prevKv);
}

/** Splits a large response; all parts but the last say that more follow, and every part has at least one event. */
export function* fragments(response: WatchResponse): Generator<WatchResponse> {
  let events: WireEvent[] = [];
  let bytes = 0;
  for (const event of response.events ?? []) {
    const more = size(event);
    if (events.length > 0 && bytes + more >= FRAGMENT_BYTES) {
      yield { ...response, events, fragment: true };
      events = [];
      bytes = 0;
    }
    events.push(event);
    bytes += more;
  }
  yield { ...response, events };
}
