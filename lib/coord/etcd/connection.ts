import { BehaviorSubject, type Observable } from 'rxjs';
import { ClosedError } from '../../errors/closed.error.js';
import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { OutcomeUnknownError } from '../../errors/outcome-unknown.error.js';
import { Backoff, pause } from './backoff.js';
import { type Clock, systemClock } from './clock.js';
import { type CoordLogger, silentLogger } from './coord-logger.js';
import { type DialFailure, explainDial } from './dial-failure.js';
import type { CallOptions, CoordStatus, EtcdOptions } from './etcd.options.js';
import { Generation, type WireOptions } from './generation.js';
import type { RpcFailure } from './rpc-failure.js';
import { knownBugs } from './server-version.js';
import { Waiters } from './waiters.js';

export interface ConnectionDeps {
  readonly logger?: CoordLogger;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export interface WriteOptions extends CallOptions {
  /** Running it twice equals running it once. */
  readonly idempotent?: boolean;
}

type CallKind = 'read' | 'write' | 'idempotent write';

type Run<T> = (rpc: Generation['rpc'], options: WireOptions) => Promise<T>;

/** A generation that lived shorter than this counts as a failed attempt: the next one is paced. */
const SETTLED = 1_000;

/**
 * Keeps one live {@link Generation} to one of the endpoints, and runs calls on it. The first endpoint is drawn by
 * chance, so that a fleet spreads; a dropped generation is followed by one on the next endpoint, at once.
 *
 * Redialling waits at most one second (full jitter): dialling a closed port costs nothing, and a fleet that waits ten
 * seconds after etcd is back would let its leases run out.
 */
export class Connection {
  readonly #options: EtcdOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #logger: CoordLogger;
  readonly #status = new BehaviorSubject<CoordStatus>('connecting');
  readonly #closing = new AbortController();
  readonly #waiters: Waiters<Generation>;
  readonly #listeners = new Set<(generation: Generation) => void>();
  readonly #failures = new Map<string, DialFailure>();
  #live: Generation | undefined;

  constructor(
    options: EtcdOptions,
    { logger = silentLogger, clock = systemClock, random = Math.random }: ConnectionDeps = {},
  ) {
    this.#options = options;
    this.#clock = clock;
    this.#waiters = new Waiters(clock);
    this.#random = random;
    this.#logger = logger;
    void this.#run();
  }

  get status$(): Observable<CoordStatus> {
    return this.#status.asObservable();
  }

  get status(): CoordStatus {
    return this.#status.value;
  }

  /** The generation in use, if there is one. */
  get live(): Generation | undefined {
    return this.#live;
  }

  /** Aborts when the connection is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Calls `listener` with the live generation, if any, and with each that follows. Returns the unsubscribing function. */
  onGeneration(listener: (generation: Generation) => void): () => void {
    this.#listeners.add(listener);
    if (this.#live) listener(this.#live);
    return () => this.#listeners.delete(listener);
  }

  /** The live generation, or the next one; rejects with {@link CoordUnavailableError} after `timeout` ms. */
  whenLive({ timeout = this.#options.requestTimeout, signal }: CallOptions = {}): Promise<Generation> {
    if (this.#closing.signal.aborted) return Promise.reject(closedError());
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    if (this.#live) return Promise.resolve(this.#live);
    const hopeless = this.#hopeless();
    if (hopeless) return Promise.reject(hopeless);
    return this.#waiters.wait({ timeout, ...(signal && { signal }) }, () => this.#unavailable(timeout));
  }

  /** Runs a call that changes nothing: repeated, on other members too, until it is answered or the budget ends. */
  read<T>(run: Run<T>, options: CallOptions = {}): Promise<T> {
    return this.#call(run, options, 'read');
  }

  /**
   * Runs a call that writes. It is repeated only if it provably did not run, or if `idempotent` says that twice equals
   * once. A write that may have run, and whose answer nobody got, ends in an {@link OutcomeUnknownError}.
   */
  write<T>(run: Run<T>, { idempotent = false, ...options }: WriteOptions = {}): Promise<T> {
    return this.#call(run, options, idempotent ? 'idempotent write' : 'write');
  }

  /** Ends everything at once: waiting calls reject with {@link ClosedError}. Idempotent. */
  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(closedError());
    this.#live?.drop('closed');
    this.#live = undefined;
    this.#waiters.reject(closedError());
    this.#listeners.clear();
    this.#status.next('closed');
    this.#status.complete();
  }

  async #call<T>(run: Run<T>, options: CallOptions, kind: CallKind): Promise<T> {
    const { timeout = this.#options.requestTimeout, signal } = options;
    const end = this.#clock.now() + timeout;
    const left = (): number => Math.max(1, end - this.#clock.now());
    const backoff = new Backoff({ first: 20, most: 1_000 }, this.#random);
    let unknown: RpcFailure | undefined;
    let last: RpcFailure | undefined;
    do {
      let generation: Generation;
      try {
        generation = await this.whenLive({ timeout: left(), ...(signal && { signal }) });
      } catch (error) {
        throw unknown && !signal?.aborted ? outcomeUnknown(unknown) : error;
      }
      // What may be repeated leaves a silent member after part of the budget; what may not gets all of it.
      const attempt = kind === 'write' ? left() : Math.min(left(), Math.max(1_000, timeout * 0.4));
      try {
        return await generation.unary(run, attempt, signal);
      } catch (error) {
        last = error as RpcFailure;
      }
      signal?.throwIfAborted();
      if (last.doubt) generation.drop(last);
      if (last.fate === 'refused') throw last.toRefusal();
      if (last.fate === 'unknown' && kind !== 'read') unknown = last;
      if (unknown && kind === 'write') throw outcomeUnknown(unknown);
      if (!last.doubt) await pause(this.#clock, Math.min(backoff.next(), left()), this.#closing.signal);
    } while (this.#clock.now() < end);
    throw unknown ? outcomeUnknown(unknown) : this.#unavailable(timeout, last);
  }

  async #run(): Promise<void> {
    const { endpoints, dialTimeout } = this.#options;
    const closing = this.#closing.signal;
    const backoff = new Backoff({ first: 50, most: 1_000 }, this.#random);
    const slowStart = this.#clock.after(dialTimeout, () => this.#enter('degraded'));
    closing.addEventListener('abort', slowStart, { once: true });
    const timeout = Math.max(500, Math.min(3_000, dialTimeout / Math.min(endpoints.length, 3)));
    let next = Math.floor(this.#random() * endpoints.length);
    while (!closing.aborted) {
      const endpoint = endpoints[next++ % endpoints.length]!;
      let generation: Generation;
      try {
        generation = await Generation.open(endpoint, this.#options, {
          clock: this.#clock,
          timeout,
          signal: closing,
        });
      } catch (error) {
        const hopeless = this.#failed(endpoint.address, error as RpcFailure);
        // A wrong password does not become right by being sent often, and costs etcd a bcrypt each time.
        const wait = hopeless ? 1_000 + 9_000 * this.#random() : backoff.next();
        if (hopeless || this.#failures.size >= endpoints.length) await pause(this.#clock, wait, closing);
        continue;
      }
      if (closing.aborted) return generation.drop('closed');
      slowStart();
      const since = this.#clock.now();
      this.#enterGeneration(generation);
      await aborted(generation.signal);
      this.#live = undefined;
      if (closing.aborted) return;
      this.#enter('degraded', {
        endpoint: endpoint.address,
        reason: (generation.signal.reason as RpcFailure).reason,
      });
      if (this.#clock.now() - since >= SETTLED) backoff.reset();
      else await pause(this.#clock, backoff.next(), closing);
    }
  }

  #enterGeneration(generation: Generation): void {
    this.#live = generation;
    this.#failures.clear();
    this.#enter('ready', { endpoint: generation.endpoint.address, version: generation.serverVersion });
    this.#waiters.resolve(generation);
    for (const listener of this.#listeners) listener(generation);
  }

  #enter(status: CoordStatus, fields?: Record<string, unknown>): void {
    if (this.#status.value === status || this.#closing.signal.aborted) return;
    const first = this.#status.value === 'connecting';
    this.#status.next(status);
    if (status === 'degraded')
      this.#logger.warn('etcd connection lost', { ...fields, ...this.#failureFields() });
    if (status === 'ready') this.#logger.info('etcd connected', fields);
    if (status === 'ready' && first) {
      for (const bug of knownBugs(String(fields?.['version'])))
        this.#logger.warn(`this etcd version has a known bug: ${bug}`, fields);
    }
  }

  #failed(address: string, failure: RpcFailure): CoordUnavailableError | undefined {
    this.#failures.set(address, explainDial(failure));
    const hopeless = this.#hopeless();
    if (hopeless) {
      this.#enter('degraded');
      this.#waiters.reject(hopeless);
    }
    return hopeless;
  }

  /** Set once every endpoint has refused us for a reason that time does not mend. */
  #hopeless(): CoordUnavailableError | undefined {
    const failures = [...this.#failures.values()];
    if (failures.length < this.#options.endpoints.length || !failures.every(({ permanent }) => permanent))
      return undefined;
    return new CoordUnavailableError(`etcd cannot be used: ${this.#describe()}`);
  }

  #unavailable(timeout: number, failure?: RpcFailure): CoordUnavailableError {
    const last = failure ? `; last answer: ${failure.reason}` : '';
    return new CoordUnavailableError(
      `etcd did not answer within ${Math.round(timeout)} ms at ${this.#describe()}${last}`,
    );
  }

  #describe(): string {
    return this.#options.endpoints
      .map(({ address }) => {
        const failure = this.#failures.get(address);
        return failure ? `${address} (${failure.text})` : address;
      })
      .join(', ');
  }

  #failureFields(): Record<string, unknown> {
    return this.#failures.size > 0 ? { endpoints: this.#describe() } : {};
  }
}

function closedError(): ClosedError {
  return new ClosedError('the connection to etcd was closed');
}

function outcomeUnknown({ reason, cause }: RpcFailure): OutcomeUnknownError {
  return new OutcomeUnknownError(
    `a write was sent to etcd, and its answer was lost (${reason}): read before you write again`,
    { cause },
  );
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
