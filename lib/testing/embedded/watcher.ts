import { type KeyVersion } from './key-index.js';
import { type WatchCreateRequest, type WireEvent } from './messages.js';
import { type MvccStore } from './mvcc-store.js';
import { keyBytes, type Span, spanHas, spanOf } from './span.js';
import { wireKeyValue } from './answers.js';

const NO_PUT = 0;
const NO_DELETE = 1;
/** etcd sends a watch that lags the events of at most so many revisions in one response. */
const BATCH_REVISIONS = 1000;
/** How many revisions are looked through for one batch before the process gets to do something else. */
const SCAN = 10_000;

const EMPTY_KEY = Buffer.of(0);

export function watchSpan(request: WatchCreateRequest): Span {
  return spanOf(request.key.length === 0 ? EMPTY_KEY : request.key, request.rangeEnd);
}

/** One watch on a stream: what it wants, and from which revision on it has not got it yet. */
export class Watcher {
  /** Sent or due periodic progress: an event makes the next one unnecessary. */
  quiet = false;
  /** Ended by compaction. Its id stays taken until the client cancels it. */
  compacted = false;
  readonly #span: Span;
  readonly #puts: boolean;
  readonly #deletes: boolean;
  readonly #previous: boolean;

  constructor(
    readonly id: string,
    readonly request: WatchCreateRequest,
    public next: number,
  ) {
    this.#span = watchSpan(request);
    this.#puts = !request.filters.includes(NO_PUT);
    this.#deletes = !request.filters.includes(NO_DELETE);
    this.#previous = request.prevKv;
  }

  /**
   * Takes the events of the next revisions, at most 1,000 with events; none if there are none up to the newest revision.
   * The caller has made sure that `next` is not compacted.
   */
  take(store: MvccStore): WireEvent[] {
    const events: WireEvent[] = [];
    let revisions = 0;
    while (this.next <= store.revision && revisions < BATCH_REVISIONS) {
      const commits = store.commitsFrom(this.next, SCAN);
      if (commits.length === 0) {
        // The first revision, 1, is the empty store: it has no commit.
        this.next = store.revision + 1;
        break;
      }
      for (const { revision, changes } of commits) {
        const before = events.length;
        for (const change of changes) if (this.#wants(change)) events.push(this.#event(store, change));
        this.next = revision + 1;
        if (events.length > before && ++revisions === BATCH_REVISIONS) break;
      }
    }
    return events;
  }

  #wants({ key, deleted }: KeyVersion): boolean {
    return (deleted ? this.#deletes : this.#puts) && spanHas(this.#span, key);
  }

  #event(store: MvccStore, change: KeyVersion): WireEvent {
    const kv = change.deleted
      ? { key: keyBytes(change.key), modRevision: change.revision }
      : wireKeyValue(change);
    const created = !change.deleted && change.created === change.revision;
    const previous = this.#previous && !created ? store.before(change.key, change.revision) : undefined;
    return { type: change.deleted ? 1 : 0, kv, ...(previous && { prevKv: wireKeyValue(previous) }) };
  }
}
