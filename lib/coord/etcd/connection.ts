import { BehaviorSubject, type Observable } from 'rxjs';
import { ClosedError } from '../../errors/closed.error.js';
import type { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { Backoff, pause } from './backoff.js';
import { type Clock, systemClock } from './clock.js';
import { type CoordLogger, silentLogger } from './coord-logger.js';
import type { Endpoint } from './endpoint.js';
import type { CoordStatus, EtcdOptions, WaitOptions } from './etcd.options.js';
import { EndpointFailures } from './endpoint-failures.js';
import { Generation } from './generation.js';
import { inBackground } from './in-background.js';
import { aborted } from './on-abort.js';
import type { RpcFailure } from './rpc-failure.js';
import { shownSafely } from './shown-safely.js';
import { knownBugs } from './server-version.js';
import { Waiters } from './waiters.js';

export interface ConnectionDeps {
  readonly logger?: CoordLogger;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** A generation that lived shorter than this counts as a failed attempt: the next one is paced. */
const SETTLED = 1_000;

/**
 * Keeps one live {@link Generation} to one of the endpoints, for calls and streams. The first endpoint is drawn by
 * chance, so that a fleet spreads; a dropped generation is followed by one on the next endpoint, at once.
 *
 * Redialling waits at most half a second (full jitter): dialling a closed port costs nothing, and a fleet that waits ten
 * seconds after etcd is back would let its leases run out.
 */
export class Connection {
  readonly #options: EtcdOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #logger: CoordLogger;
  readonly #status = new BehaviorSubject<CoordStatus>('connecting');
  /** Replays the latest state, never errors, completes when the connection is closed. */
  readonly status$: Observable<CoordStatus>;
  readonly #closing = new AbortController();
  readonly #waiters: Waiters<Generation>;
  readonly #listeners = new Set<(generation: Generation) => void>();
  readonly #failures: EndpointFailures;
  readonly #versions = new Set<string>();
  #live: Generation | undefined;

  constructor(
    options: EtcdOptions,
    { logger = silentLogger, clock = systemClock, random = Math.random }: ConnectionDeps = {},
  ) {
    this.#options = options;
    this.#failures = new EndpointFailures(options.endpoints);
    this.#clock = clock;
    this.#waiters = new Waiters(clock);
    this.#random = random;
    this.#logger = logger;
    this.status$ = shownSafely(this.#status, (error) =>
      logger.error('a subscriber to the state of the connection threw', { err: error }),
    );
    inBackground(() => void this.#run());
  }

  get status(): CoordStatus {
    return this.#status.value;
  }

  /** The generation in use, if there is one. */
  get live(): Generation | undefined {
    return this.#live?.dropped ? undefined : this.#live;
  }

  /** What is said when etcd has not answered in time. */
  unavailable(timeout: number, last?: RpcFailure): CoordUnavailableError {
    return this.#failures.unavailable(timeout, last);
  }

  /** Aborts when the connection is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Calls `listener` with the live generation, if any, and with each that follows. Returns the unsubscribing function. */
  onGeneration(listener: (generation: Generation) => void): () => void {
    this.#listeners.add(listener);
    if (this.live) listener(this.live);
    return () => this.#listeners.delete(listener);
  }

  /** The live generation, or the next one; rejects with {@link CoordUnavailableError} after `timeout` ms. */
  whenLive({ timeout = this.#options.requestTimeout, signal }: WaitOptions = {}): Promise<Generation> {
    if (this.#closing.signal.aborted) return Promise.reject(closedError());
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    const { live } = this;
    if (live) return Promise.resolve(live);
    const hopeless = this.#failures.hopeless();
    if (hopeless) return Promise.reject(hopeless);
    return this.#waiters.wait({ timeout, ...(signal && { signal }) }, () =>
      this.#failures.unavailable(timeout),
    );
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

  async #run(): Promise<void> {
    const { endpoints, dialTimeout } = this.#options;
    const closing = this.#closing.signal;
    const backoff = new Backoff({ first: 50, most: 500 }, this.#random);
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
        const hopeless = this.#failed(endpoint, error as RpcFailure);
        // A wrong password does not become right by being sent often, and costs etcd a bcrypt each time.
        const wait = hopeless ? 1_000 + 9_000 * this.#random() : backoff.next();
        if (hopeless || this.#failures.complete) await pause(this.#clock, wait, closing);
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
    this.#warnOf(generation.serverVersion);
    this.#waiters.resolve(generation);
    for (const listener of this.#listeners) listener(generation);
  }

  #enter(status: CoordStatus, fields?: Record<string, unknown>): void {
    if (this.#status.value === status || this.#closing.signal.aborted) return;
    this.#status.next(status);
    if (status === 'ready') this.#logger.info('etcd connected', fields);
    else this.#logger.warn('etcd is away', { ...fields, endpoints: this.#failures.describe() });
  }

  /** Once for each version met: a rolling upgrade brings another. */
  #warnOf(version: string): void {
    if (this.#versions.has(version)) return;
    this.#versions.add(version);
    for (const bug of knownBugs(version)) {
      this.#logger.warn(`this etcd version has a known bug: ${bug}`, { version });
    }
  }

  #failed(endpoint: Endpoint, failure: RpcFailure): CoordUnavailableError | undefined {
    this.#failures.note(endpoint, failure);
    const hopeless = this.#failures.hopeless();
    if (hopeless) {
      this.#enter('degraded');
      this.#waiters.reject(hopeless);
    }
    return hopeless;
  }
}

function closedError(): ClosedError {
  return new ClosedError('the connection to etcd was closed');
}
