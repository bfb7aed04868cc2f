import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { OutcomeUnknownError } from '../../errors/outcome-unknown.error.js';
import type { WriteOptions } from './calls.js';
import type { Txn, TxnResult } from './kv.js';
import { onAbort } from './on-abort.js';
import type { Session } from './session.js';

export interface CommitOptions extends WriteOptions {
  /** The write is sent only while this session is provably alive; else it rejects with `SessionLostError`, unsent. */
  readonly session?: Session;
  /**
   * The caller waits for each write before the next that depends on it: this one may overtake, and be overtaken by, any
   * that does not touch the same keys. @default false: in the order of the calls
   */
  readonly unordered?: boolean;
  /**
   * The signal ends the write only until it is sent; then its outcome is waited for, within `timeout`: for a caller who
   * has to clear away what it wrote. @default false
   */
  readonly abortUnsentOnly?: boolean;
}

/**
 * One write and its caller, who gets one answer: what etcd said, or the end of the write's own time, signal or session. Its
 * time is kept by whoever has made it: see {@link expire}.
 * Whoever was told that nothing was written can rely on it: a settled entry is never sent afterwards.
 */
export class CommitEntry {
  /** When its time is over, on the monotonic clock. */
  readonly end: number;
  readonly idempotent: boolean;
  readonly unordered: boolean;
  /** Rides with nobody: its batch was refused, and it may be the reason. */
  alone = false;
  readonly #session: Session | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #resolve: (result: TxnResult) => void;
  readonly #reject: (error: unknown) => void;
  readonly #timeout: number;
  readonly #stopListening: (() => void) | undefined;
  /** Attempts that may have run. */
  #attempts = 0;
  #settled = false;

  constructor(
    readonly txn: Txn,
    { signal, session, idempotent = false, unordered = false, abortUnsentOnly = false }: CommitOptions,
    resolve: (result: TxnResult) => void,
    reject: (error: unknown) => void,
    now: number,
    timeout: number,
  ) {
    this.idempotent = idempotent;
    this.unordered = unordered;
    this.end = now + timeout;
    this.#session = session;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timeout = timeout;
    this.#signal = signal;
    this.#stopListening =
      signal &&
      onAbort(signal, () => {
        if (this.#attempts === 0 || !abortUnsentOnly) this.reject(signal.reason);
      });
  }

  /**
   * Whether it may be sent now: somebody waits for it, and its session lives. To be asked at the last moment before
   * sending, and again before sending once more: both may have changed while the write waited.
   */
  isSendable(): boolean {
    if (this.#settled) return false;
    if (!this.#session || this.#session.isAlive()) return true;
    const reason = this.#session.signal.reason as Error;
    this.reject(this.#attempts > 0 ? outcomeUnknown('before its session was lost', reason) : reason);
    return false;
  }

  /** From now on it may run. */
  sent(): void {
    this.#attempts++;
  }

  /** The latest attempt did not. */
  notRun(): void {
    this.#attempts--;
    if (this.#attempts === 0 && this.#signal?.aborted) this.reject(this.#signal.reason);
  }

  resolve(result: TxnResult): void {
    if (this.#settle()) this.#resolve(result);
  }

  reject(error: unknown): void {
    if (this.#settle()) this.#reject(error);
  }

  /** Its time is over: to be called at {@link end}, unless it is settled. */
  expire(): void {
    const budget = `within ${Math.round(this.#timeout)} ms`;
    this.reject(
      this.#attempts > 0
        ? outcomeUnknown(budget)
        : new CoordUnavailableError(`a write could not be sent to etcd ${budget}; nothing was written`),
    );
  }

  get settled(): boolean {
    return this.#settled;
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#stopListening?.();
    return true;
  }
}

function outcomeUnknown(until: string, cause?: Error): OutcomeUnknownError {
  return new OutcomeUnknownError(
    `a write was sent to etcd and not answered ${until}: read before you write again`,
    { cause },
  );
}
