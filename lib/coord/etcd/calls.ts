import { OutcomeUnknownError } from '../../errors/outcome-unknown.error.js';
import { Backoff, pause } from './backoff.js';
import type { Clock } from './clock.js';
import type { Connection } from './connection.js';
import { budgetOf, type CallOptions } from './etcd.options.js';
import type { WireOptions } from './call-control.js';
import type { Generation } from './generation.js';
import type { Rpc } from './rpc.js';
import type { RpcFailure } from './rpc-failure.js';

export interface WriteOptions extends CallOptions {
  /** Running it twice equals running it once. */
  readonly idempotent?: boolean;
}

export interface AttemptOptions extends WriteOptions {
  /** When the time is over, on the monotonic clock, instead of a `timeout`. */
  readonly end?: number;
  /** Told of each attempt that provably did not run, before the next one is made. */
  notRun?(): void;
}

type CallKind = 'read' | 'write' | 'idempotent write';

/** A write that was not answered for so long, in ms, was lost in an election; etcd itself says so after 7 s. */
const LOST_WITH_ITS_LEADER = 2_000;

type Run<T> = (rpc: Rpc, options: WireOptions) => Promise<T>;

/** Unary calls on a connection, each over as many attempts as are safe and fit its budget. */
export class Calls {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #defaultTimeout: number;

  constructor(connection: Connection, clock: Clock, random: () => number, defaultTimeout: number) {
    this.#connection = connection;
    this.#clock = clock;
    this.#random = random;
    this.#defaultTimeout = defaultTimeout;
  }

  /** Runs a call that changes nothing: repeated, on other members too, until it is answered or the budget ends. */
  read<T>(run: Run<T>, options: CallOptions = {}): Promise<T> {
    return this.#call(run, options, 'read');
  }

  /**
   * Runs a call that writes. It is repeated only if it provably did not run, or if `idempotent` says that twice equals
   * once. A write that may have run, and whose answer nobody got, ends in an {@link OutcomeUnknownError}.
   */
  write<T>(run: Run<T>, options: AttemptOptions = {}): Promise<T> {
    return this.#call(run, options, options.idempotent ? 'idempotent write' : 'write');
  }

  async #call<T>(run: Run<T>, options: AttemptOptions, kind: CallKind): Promise<T> {
    const { signal } = options;
    const now = this.#clock.now();
    const timeout =
      options.end === undefined ? budgetOf(options, this.#defaultTimeout) : Math.max(1, options.end - now);
    const end = now + timeout;
    const left = (): number => Math.max(1, end - this.#clock.now());
    let backoff: Backoff | undefined;
    let unknown: RpcFailure | undefined;
    let last: RpcFailure | undefined;
    do {
      let generation: Generation;
      try {
        const { live } = this.#connection;
        generation =
          live && !signal?.aborted
            ? live
            : await this.#connection.whenLive({ timeout: left(), ...(signal && { signal }) });
      } catch (error) {
        throw unknown && !signal?.aborted ? outcomeUnknown(unknown) : error;
      }
      const attempt = Math.min(left(), this.#attemptLimit(kind, timeout));
      try {
        return await generation.unary(run, attempt, signal);
      } catch (error) {
        last = error as RpcFailure;
      }
      if (last.fate === 'not-run') options.notRun?.();
      signal?.throwIfAborted();
      if (last.doubt) generation.drop(last);
      if (last.fate === 'refused') throw last.toRefusal();
      if (last.fate === 'unknown' && kind !== 'read') unknown = last;
      if (unknown && kind === 'write') throw outcomeUnknown(unknown);
      if (last.doubt) continue;
      backoff ??= new Backoff({ first: 20, most: 1_000 }, this.#random);
      const { closing } = this.#connection;
      const ends = signal ? AbortSignal.any([signal, closing]) : closing;
      await pause(this.#clock, Math.min(backoff.next(), left()), ends, { hold: true });
    } while (this.#clock.now() < end);
    throw unknown ? outcomeUnknown(unknown) : this.#connection.unavailable(timeout, last);
  }

  /** What may be repeated leaves a silent member after part of the budget; what may not gets all of it. */
  #attemptLimit(kind: CallKind, timeout: number): number {
    if (kind === 'write') return timeout;
    const share = Math.max(1_000, timeout * 0.4);
    // A leader that dies takes along what it was sent; large answers are those of reads.
    return kind === 'read' ? share : Math.min(share, LOST_WITH_ITS_LEADER);
  }
}

function outcomeUnknown({ reason, cause }: RpcFailure): OutcomeUnknownError {
  return new OutcomeUnknownError(
    `a write was sent to etcd, and its answer was lost (${reason}): read before you write again`,
    { cause },
  );
}
