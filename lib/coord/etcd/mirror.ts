import type { Observable } from 'rxjs';
import { ClosedError } from '../../errors/closed.error.js';
import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { Backoff, pause } from './backoff.js';
import { byRevision } from './by-revision.js';
import type { Clock } from './clock.js';
import type { Connection } from './connection.js';
import type { CoordLogger } from './coord-logger.js';
import { budgetOf, type CallOptions } from './etcd.options.js';
import type { Generation } from './generation.js';
import type { KeyRange, KeyValue } from './kv.js';
import type { BatchedReader } from './batched-reader.js';
import { Listeners } from './listeners.js';
import { PageSize } from './page-size.js';
import { listRange } from './range-list.js';
import { ResumePoint } from './resume-point.js';
import { RpcFailure } from './rpc-failure.js';
import { isSameHistory } from './same-history.js';
import { type Change, type Snapshot, SnapshotMap } from './snapshot-map.js';
import { Staleness } from './staleness.js';
import { Waiters } from './waiters.js';
import type { WatchEnd, WatchEvent, WatchHub } from './watch-hub.js';

export type { Change, Snapshot } from './snapshot-map.js';

/** One swap of the map: everything that one etcd revision changed, or what a new list differs in. */
export interface MirrorChange {
  readonly revision: bigint;
  /** `list`: the first state. `relist`: the history in between is gone, the changes are the difference. */
  readonly cause: 'list' | 'watch' | 'relist';
  readonly changes: readonly Change[];
}

export interface MirrorOptions {
  /** Keys a page while listing. @default 16 at first, then as many as make 1 to 4 MiB */
  readonly pageSize?: number;
  /** What the range holds at a revision, if the caller has just read or written that: then it is not listed again. */
  readonly known?: { readonly revision: bigint; readonly kvs: readonly KeyValue[] };
  /** Called after each list, also one that brought no change: what came and went before it has left no event. */
  readonly listed?: () => void;
}

export interface MirrorDeps {
  readonly connection: Connection;
  readonly hubOf: (generation: Generation) => WatchHub;
  readonly readerOf: (generation: Generation) => BatchedReader;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: CoordLogger;
  readonly requestTimeout: number;
  /** Told once, when the mirror is closed. */
  readonly closed: () => void;
}

/**
 * A key range kept in memory, gap-free: listed at revision R, watched from R + 1. The next revision is the highest
 * `mod_revision` *delivered* + 1, never a header's: etcd sends a backlog in batches whose headers carry the current
 * revision, and whoever resumes from those loses the rest (so does etcd3; Jepsen's etcd tests warn of it).
 *
 * All events of one revision are one swap and one call of each subscriber. A compaction, another cluster or a history
 * that is not the known one (a store wiped or restored) means list again and diff, deletions included. Subscribers
 * never see an error, and never a state that etcd never had.
 */
export class Mirror {
  readonly #range: KeyRange;
  readonly #deps: MirrorDeps;
  readonly #pageSize: PageSize;
  readonly #listed: () => void;
  readonly #map = new SnapshotMap();
  readonly #resume = new ResumePoint();
  readonly #listeners: Listeners<MirrorChange>;
  readonly #waiters: Waiters<Snapshot>;
  readonly #closing = new AbortController();
  readonly #staleness: Staleness;
  #closed = false;
  #synced = false;
  #clusterId = 0n;
  /** The connection that the known state came through: on it the watch goes on from there without a look. */
  #knownFrom: Generation | undefined;
  #cancelWatch: (() => void) | undefined;
  /** What etcd last refused the watch for, until it takes it. */
  #refusal: string | undefined;

  constructor(range: KeyRange, deps: MirrorDeps, { pageSize, known, listed }: MirrorOptions = {}) {
    this.#range = range;
    this.#deps = deps;
    this.#waiters = new Waiters(deps.clock);
    this.#pageSize = new PageSize(pageSize);
    this.#listed = listed ?? (() => undefined);
    this.#listeners = new Listeners((error) =>
      deps.logger.error('a listener of a watched range threw', { key: range.key, err: error }),
    );
    this.#staleness = new Staleness(deps.clock, (error) =>
      deps.logger.error('a subscriber to the staleness of a range threw', { key: range.key, err: error }),
    );
    if (known) {
      this.#map.replace(known.revision, known.kvs);
      this.#resume.reached(known.revision);
      this.#knownFrom = deps.connection.live;
      this.#clusterId = this.#knownFrom?.clusterId ?? 0n;
      this.#synced = true;
    }
    void this.#run();
  }

  /** Whether the first list has been read. */
  get synced(): boolean {
    return this.#synced;
  }

  /** `true` while the stream of changes is not proven alive; the map may then lag behind etcd. */
  get stale$(): Observable<boolean> {
    return this.#staleness.changes$;
  }

  /** Milliseconds since the last proof of life; 0 while live. */
  staleFor(): number {
    return this.#staleness.since;
  }

  /** The newest state; immutable. Before the first list it is empty at revision `0n`. */
  snapshot(): Snapshot {
    return this.#map.snapshot();
  }

  /**
   * Resolves with the first complete state. Rejects with {@link CoordUnavailableError} when the budget ends, with
   * `EtcdRefusedError` when etcd refuses the read, with {@link ClosedError} after {@link close}.
   */
  ready(options: CallOptions = {}): Promise<Snapshot> {
    const { signal } = options;
    const timeout = budgetOf(options, this.#deps.requestTimeout);
    if (this.#synced) return Promise.resolve(this.snapshot());
    if (this.#closed) return Promise.reject(this.#closing.signal.reason as Error);
    return this.#waiters.wait(
      { timeout, ...(signal && { signal }) },
      () =>
        new CoordUnavailableError(
          `etcd did not give the keys of ${this.#range.key} within ${Math.round(timeout)} ms`,
        ),
    );
  }

  /**
   * Calls `listener` synchronously at each swap; one etcd revision is one call. It does not replay: read
   * {@link snapshot} first. What a listener throws is logged and hurts nobody else. Returns the unsubscribing function.
   */
  subscribe(listener: (change: MirrorChange) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** At once, whatever the network does; no listener is called afterwards. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closing.abort(new ClosedError(`the mirror of ${this.#range.key} was closed`));
    this.#cancelWatch?.();
    this.#listeners.clear();
    this.#waiters.reject(this.#closing.signal.reason);
    this.#staleness.close();
    this.#deps.closed();
  }

  async #run(): Promise<void> {
    const { connection, clock, random } = this.#deps;
    const closing = this.#closing.signal;
    const backoff = new Backoff({ first: 100, most: 10_000 }, random);
    while (!this.#closed && !connection.closing.aborted) {
      let generation: Generation | undefined;
      try {
        generation = await connection.whenLive({ timeout: Infinity, signal: closing });
        if (!(await this.#resumable(generation))) await this.#list(generation);
        if (this.#closed) break;
        const end = await this.#follow(generation, () => {
          backoff.reset();
          this.#refusal = undefined;
        });
        if (end.cause === 'compacted') this.#resume.forget();
        if (end.cause !== 'refused') continue;
        // A refused watch may be one with a stale token: the look that comes next tells.
        this.#knownFrom = undefined;
        this.#refused(new RpcFailure(new Error(`7 PERMISSION_DENIED: ${end.reason}`)));
      } catch (error) {
        if (this.#closed) break;
        if (error instanceof RpcFailure && error.doubt) {
          // The connection paces what follows.
          generation?.drop(error);
          continue;
        }
        if (!(error instanceof RpcFailure)) this.#waiters.reject(error);
        else if (error.fate === 'refused') this.#refused(error);
      }
      await pause(clock, backoff.next(), closing);
    }
    if (!this.#closed) this.close();
  }

  #refused(failure: RpcFailure): void {
    this.#waiters.reject(failure.toRefusal());
    if (this.#refusal !== failure.reason) {
      this.#deps.logger.warn('etcd refused a watch', { key: this.#range.key, reason: failure.reason });
    }
    this.#refusal = failure.reason;
  }

  /** Whether the watch can go on where it ended: same cluster, same history, nothing known to be compacted away. */
  async #resumable(generation: Generation): Promise<boolean> {
    if (!this.#resume.known || this.#clusterId !== generation.clusterId) return false;
    if (this.#knownFrom === generation) return true;
    const { entries } = this.#map;
    const reader = this.#deps.readerOf(generation);
    return isSameHistory(generation, reader, this.#range, this.#resume.next - 1n, entries, this.#call);
  }

  async #list(generation: Generation): Promise<void> {
    const { revision, kvs } = await listRange(generation, this.#range, this.#pageSize, this.#call);
    this.#closing.signal.throwIfAborted();
    const changes = this.#map.replace(revision, kvs);
    this.#resume.reached(revision);
    this.#clusterId = generation.clusterId;
    const first = !this.#synced;
    this.#synced = true;
    if (first || changes.length > 0)
      this.#listeners.tell({ revision, cause: first ? 'list' : 'relist', changes });
    this.#listed();
    this.#waiters.resolve(this.snapshot());
  }

  get #call(): { timeout: number; signal: AbortSignal } {
    return { timeout: this.#deps.requestTimeout, signal: this.#closing.signal };
  }

  /** Watches from the next revision on; resolves when the watch has ended. */
  #follow(generation: Generation, attached: () => void): Promise<WatchEnd> {
    const hub = this.#deps.hubOf(generation);
    let ended = false;
    return new Promise((resolve) => {
      const end = (why: WatchEnd): void => {
        ended = true;
        this.#cancelWatch = undefined;
        if (!this.#closed) this.#staleness.lost(hub.lastSign);
        resolve(why);
      };
      const cancel = hub.watch(this.#range, this.#resume.next, {
        attached: () => {
          attached();
          this.#staleness.live();
        },
        events: (events) => this.#apply(events),
        ended: end,
      });
      if (ended) return;
      this.#cancelWatch = () => {
        cancel();
        end({ cause: 'dropped' });
      };
    });
  }

  #apply(events: readonly WatchEvent[]): void {
    for (const { revision, group } of byRevision(events)) {
      // An event before the resume point was delivered already (etcd #20221).
      if (revision < this.#resume.next) continue;
      const changes = this.#map.apply(revision, group);
      this.#resume.reached(revision);
      if (changes.length > 0) this.#listeners.tell({ revision, cause: 'watch', changes });
    }
  }
}
