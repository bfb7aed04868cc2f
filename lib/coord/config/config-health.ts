import { type Observable, Subscription } from 'rxjs';
import type { ConfigScope } from './config-scope.js';
import { Feed } from './feed.js';
import type { ThrownReport } from '../etcd/safe-observable.js';

export interface ConfigStatus {
  /**
   * `idle`: nothing was asked for yet; `connecting`: etcd has not been read and followed yet; `live`: current; `stale`: etcd
   * does not answer, values are the last known; `closed`.
   */
  readonly state: 'idle' | 'connecting' | 'live' | 'stale' | 'closed';
  /** Where the values come from: `snapshot` is this service's last run, read from disk. */
  readonly origin: 'none' | 'snapshot' | 'etcd';
  /** Whether the newest values of some keys are refused. */
  readonly degraded: boolean;
  /** Those keys. */
  readonly rejected: readonly string[];
}

interface Followed {
  stale: boolean;
  /** It had values to show before: from now on it is stale, and not at its beginning, while etcd does not answer. */
  begun: boolean;
  readonly subscription: Subscription;
}

const RANK = { etcd: 2, snapshot: 1, none: 0 } as const;

/** How far the centre can be trusted at this moment, from the standing scopes and the live views. */
export class ConfigHealth {
  readonly #feed: Feed<ConfigStatus>;
  readonly #rejected: () => readonly string[];
  readonly #scopes = new Map<ConfigScope, Followed>();
  #status: ConfigStatus = { state: 'idle', origin: 'none', degraded: false, rejected: [] };
  #outdated = false;
  #telling = false;
  #closed = false;

  constructor(report: ThrownReport, rejected: () => readonly string[]) {
    this.#feed = new Feed(report);
    this.#feed.next(this.#status);
    this.#rejected = rejected;
  }

  get status$(): Observable<ConfigStatus> {
    return this.#feed.observable;
  }

  get status(): ConfigStatus {
    return this.#status;
  }

  follow(scope: ConfigScope): void {
    const entry: Followed = { stale: true, begun: false, subscription: new Subscription() };
    this.#scopes.set(scope, entry);
    entry.subscription.add(
      scope.mirror.stale$.subscribe((stale) => {
        entry.stale = stale;
        // Right after the list the stream of changes is still to be opened: that is not stale yet.
        entry.begun ||= !stale;
        this.update();
      }),
    );
    this.update();
  }

  /** Looks again; tells only of changes. What a subscriber changes while it is told is told to all afterwards. */
  update(): void {
    this.#outdated = true;
    if (this.#telling) return;
    this.#telling = true;
    try {
      while (this.#outdated) {
        this.#outdated = false;
        this.#look();
      }
    } finally {
      this.#telling = false;
    }
  }

  #look(): void {
    const next = this.#compute();
    const before = this.#status;
    if (
      next.state === before.state &&
      next.origin === before.origin &&
      next.rejected.join('\n') === before.rejected.join('\n')
    ) {
      return;
    }
    this.#status = next;
    this.#feed.next(next);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { subscription } of this.#scopes.values()) subscription.unsubscribe();
    this.update();
    this.#feed.close();
  }

  #compute(): ConfigStatus {
    const rejected = this.#rejected();
    const scopes = [...this.#scopes];
    const origin = scopes
      .map(([{ state }]) => state.origin)
      .reduce(
        (least, each) => (RANK[each] < RANK[least] ? each : least),
        scopes.length > 0 ? 'etcd' : 'none',
      );
    return { state: this.#state(origin), origin, degraded: rejected.length > 0, rejected };
  }

  #state(origin: ConfigStatus['origin']): ConfigStatus['state'] {
    if (this.#closed) return 'closed';
    if (this.#scopes.size === 0) return 'idle';
    const scopes = [...this.#scopes];
    for (const [scope, each] of scopes) each.begun ||= scope.state.origin === 'snapshot';
    if (origin === 'none' || scopes.some(([, { begun }]) => !begun)) return 'connecting';
    return scopes.some(([, { stale }]) => stale) ? 'stale' : 'live';
  }
}
