import type { Observable } from 'rxjs';
import { ClosedError } from '../../errors/closed.error.js';
import { ValidationError } from '../../errors/validation.error.js';
import { Calls } from './calls.js';
import { type Clock, systemClock } from './clock.js';
import { Connection } from './connection.js';
import { type CoordLogger, silentLogger } from './coord-logger.js';
import { budgetOf, type CallOptions, type CoordStatus, type EtcdOptions } from './etcd.options.js';
import type { Generation } from './generation.js';
import { type CommitOptions, GroupCommit } from './group-commit.js';
import { inBackground } from './in-background.js';
import { KeepAliveStream } from './keep-alive-stream.js';
import type { KeyRange, RangeQuery, RangeResult, Txn, TxnResult } from './kv.js';
import { Mirror, type MirrorOptions } from './mirror.js';
import { BatchedReader } from './batched-reader.js';
import { SessionKeeper } from './session-keeper.js';
import { Sentinels } from './sentinels.js';
import { WatchHub } from './watch-hub.js';

export type { CallOptions, CoordStatus } from './etcd.options.js';
export type { CommitOptions } from './group-commit.js';

export interface EtcdClientDeps {
  readonly logger?: CoordLogger;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Says whose sessions these are, in the keys that operators see. @default 'im-infra' */
  readonly owner?: string;
}

/** etcd raises a smaller TTL to 1.5 election timeouts by itself; then nobody got what they asked for. */
const LEAST_TTL = 2_000;

/** The ground floor: one connection, and on it reads, group-committed writes, shared sessions and mirrors. */
export class EtcdClient {
  readonly #options: EtcdOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #logger: CoordLogger;
  readonly #connection: Connection;
  readonly #calls: Calls;
  readonly #group: GroupCommit;
  readonly #hubs = new WeakMap<Generation, WatchHub>();
  readonly #keepAlives = new WeakMap<Generation, KeepAliveStream>();
  readonly #readers = new WeakMap<Generation, BatchedReader>();
  readonly #keepers = new Map<number, SessionKeeper>();
  readonly #sentinels: Sentinels;
  readonly #mirrors = new Set<Mirror>();
  #closed: Promise<void> | undefined;

  private constructor(options: EtcdOptions, deps: EtcdClientDeps) {
    this.#options = options;
    this.#clock = deps.clock ?? systemClock;
    this.#random = deps.random ?? Math.random;
    this.#logger = deps.logger ?? silentLogger;
    this.#connection = new Connection(options, {
      logger: this.#logger,
      clock: this.#clock,
      random: this.#random,
    });
    this.#calls = new Calls(this.#connection, this.#clock, this.#random, options.requestTimeout);
    this.#connection.onGeneration((generation) => this.#hubOf(generation));
    this.#group = new GroupCommit(
      (batch) => this.#calls.write((rpc, wire) => rpc.txn(batch.send(), wire), batch),
      this.#clock,
      options.requestTimeout,
    );
    this.#sentinels = new Sentinels({
      commit: (txn, commit) => this.commit(txn, commit),
      mirror: (range, mirrorOptions) => this.mirror(range, mirrorOptions),
      clock: this.#clock,
      random: this.#random,
      logger: this.#logger,
      owner: deps.owner ?? 'im-infra',
    });
  }

  /** Starts to connect in the background; an etcd that is away is no error here. Whoever creates it closes it. */
  static create(options: EtcdOptions, deps: EtcdClientDeps = {}): EtcdClient {
    return new EtcdClient(options, deps);
  }

  /** Replays the latest state, never errors, completes when the client is closed. */
  get status$(): Observable<CoordStatus> {
    return this.#connection.status$;
  }

  get status(): CoordStatus {
    return this.#connection.status;
  }

  /** The version of the member in use; `undefined` while there is none. */
  get serverVersion(): string | undefined {
    return this.#connection.live?.serverVersion;
  }

  /** The cluster in use; `undefined` while there is none. */
  get clusterId(): bigint | undefined {
    return this.#connection.live?.clusterId;
  }

  /** Resolves once etcd answers; rejects with `CoordUnavailableError` that names the endpoints after `dialTimeout`. */
  async ready(options: CallOptions = {}): Promise<void> {
    const { signal } = options;
    const timeout = budgetOf(options, this.#options.dialTimeout);
    await this.#connection.whenLive({ timeout, ...(signal && { signal }) });
  }

  /** A linearizable read, or one at a past revision. Repeated on lost answers within its budget. */
  range(query: RangeQuery, options?: CallOptions): Promise<RangeResult> {
    return this.#calls.read((rpc, wire) => rpc.range(query, wire), options);
  }

  /**
   * A lease that nobody renews: what hangs on it goes after `ttl` ms (rounded up to whole seconds, at least 2), also if
   * this process ends before. A repeated grant leaves at most an empty lease, which ends by itself.
   */
  async grant(ttl: number, options?: CallOptions): Promise<bigint> {
    const TTL = Math.max(LEAST_TTL / 1_000, Math.ceil(ttl / 1_000));
    const { ID } = await this.#calls.read((rpc, wire) => rpc.lease.leaseGrant({ TTL, ID: 0 }, wire), options);
    return BigInt(ID);
  }

  /** Ends a lease of {@link grant}, and all that hangs on it. May be repeated; a lease that is gone already is refused. */
  async revoke(lease: bigint, options?: CallOptions): Promise<void> {
    await this.#calls.write((rpc, wire) => rpc.lease.leaseRevoke({ ID: lease.toString() }, wire), {
      ...options,
      idempotent: true,
    });
  }

  /** Every write of the library: see {@link GroupCommit}. */
  commit(txn: Txn, options?: CommitOptions): Promise<TxnResult> {
    return this.#group.commit(txn, options);
  }

  /** The keeper of the session with this TTL (ms, at least 2,000, whole seconds), shared by all who ask for the same. */
  sessions(ttl: number): SessionKeeper {
    if (this.#closed) throw closedError();
    if (!(ttl >= LEAST_TTL)) throw new ValidationError('ttl', 'a duration of at least 2s', ttl);
    const seconds = Math.ceil(ttl / 1_000);
    let keeper = this.#keepers.get(seconds);
    if (!keeper) {
      keeper = new SessionKeeper(seconds * 1_000, {
        connection: this.#connection,
        keepAliveOf: (generation) =>
          memo(this.#keepAlives, generation, () => new KeepAliveStream(generation, this.#clock)),
        guard: (session, lost) => this.#sentinels.guard(session, lost),
        clock: this.#clock,
        random: this.#random,
        logger: this.#logger,
        requestTimeout: this.#options.requestTimeout,
      });
      this.#keepers.set(seconds, keeper);
    }
    return keeper;
  }

  /** Keeps `range` in memory until the caller closes the mirror. */
  mirror(range: KeyRange, options?: MirrorOptions): Mirror {
    if (this.#closed) throw closedError();
    const deps = {
      connection: this.#connection,
      hubOf: (generation: Generation) => this.#hubOf(generation),
      readerOf: (generation: Generation) =>
        memo(this.#readers, generation, () => new BatchedReader(generation, this.#options.requestTimeout)),
      clock: this.#clock,
      random: this.#random,
      logger: this.#logger,
      requestTimeout: this.#options.requestTimeout,
      closed: () => this.#mirrors.delete(mirror),
    };
    const mirror: Mirror = inBackground(() => new Mirror(range, deps, options));
    this.#mirrors.add(mirror);
    return mirror;
  }

  /**
   * Closes mirrors at once, revokes the leases (waiting at most `timeout` ms, @default 500), ends the connection. Calls
   * that wait reject with `ClosedError`. Idempotent.
   */
  close({ timeout = 500 }: { readonly timeout?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(timeout);
    return this.#closed;
  }

  async #close(timeout: number): Promise<void> {
    for (const mirror of this.#mirrors) mirror.close();
    this.#group.close();
    await Promise.all([...this.#keepers.values()].map((keeper) => keeper.close(timeout)));
    this.#connection.close();
  }

  #hubOf(generation: Generation): WatchHub {
    return memo(this.#hubs, generation, () => new WatchHub(generation, this.#clock, this.#options));
  }
}

function memo<K extends object, V>(map: WeakMap<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (!value) map.set(key, (value = make()));
  return value;
}

function closedError(): ClosedError {
  return new ClosedError('the connection to etcd was closed');
}
