import { ClosedError } from '../../errors/closed.error.js';
import { EtcdRefusedError } from '../../errors/etcd-refused.error.js';
import type { Clock } from './clock.js';
import { CommitBatch } from './commit-batch.js';
import { CommitEntry, type CommitOptions } from './commit-entry.js';
import { budgetOf } from './etcd.options.js';
import { Footprint } from './footprint.js';
import type { Txn, TxnResult } from './kv.js';

export type { CommitOptions } from './commit-entry.js';

/** Batches on their way at a time: a second one lets who releases a lock overtake who asks for one. */
const IN_FLIGHT = 2;
/** How many writes that must wait are looked past for one that need not. */
const LOOK_AHEAD = 64;
/** Half the price of `queueMicrotask`, which makes a resource of each. */
const END_OF_TICK = Promise.resolve();

/** Sends a batch as one transaction; it is asked what for at the moment of sending, each time that is done. */
type Send = (batch: CommitBatch) => Promise<readonly TxnResult[]>;

/**
 * Group commit: transactions that are ready together travel as one etcd transaction. What comes while batches are on
 * their way gathers, so that an idle writer waits for nobody and a busy process pays one round trip for up to 127 writes.
 * (D. DeWitt et al., "Implementation Techniques for Main Memory Database Systems", SIGMOD 1984.)
 *
 * Order is first come, first served, but for those who said `unordered`: those are on their way at the same time, and
 * overtake, where nothing touches the same keys. Only independent transactions ride together ({@link Footprint}). What
 * etcd refuses as a whole is sent again one by one, so that nobody fails for a neighbour.
 */
export class GroupCommit {
  readonly #send: Send;
  readonly #clock: Clock;
  readonly #defaultTimeout: number;
  /** Two at most: a set would take longer. */
  readonly #inFlight: CommitBatch[] = [];
  #queue: CommitEntry[] = [];
  #scheduled = false;
  #closed = false;
  /** When the first of all that wait runs out of time, or before; one timer for them all. */
  #alarm = Infinity;
  #cancelAlarm: (() => void) | undefined;
  readonly #tickEnds = (): void => {
    this.#scheduled = false;
    this.#flush();
  };

  constructor(send: Send, clock: Clock, defaultTimeout: number) {
    this.#send = send;
    this.#clock = clock;
    this.#defaultTimeout = defaultTimeout;
  }

  commit(txn: Txn, options: CommitOptions = {}): Promise<TxnResult> {
    const { signal } = options;
    if (this.#closed) return Promise.reject(closedError());
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    return new Promise((resolve, reject) => {
      const timeout = budgetOf(options, this.#defaultTimeout);
      const entry = new CommitEntry(txn, options, resolve, reject, this.#clock.now(), timeout);
      this.#queue.push(entry);
      this.#setAlarm(entry.end);
      this.#schedule();
    });
  }

  /** What waits is rejected; what is on its way keeps its own outcome. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const entry of this.#queue) entry.reject(closedError());
    this.#queue = [];
  }

  /** The timer does not hold the process: what is on its way does. */
  #setAlarm(end: number): void {
    if (end >= this.#alarm) return;
    this.#cancelAlarm?.();
    this.#alarm = end;
    this.#cancelAlarm = this.#clock.after(end - this.#clock.now(), () => this.#expire());
  }

  #expire(): void {
    this.#alarm = Infinity;
    const now = this.#clock.now();
    const waiting = this.#inFlight.flatMap(({ entries }) => entries).concat(this.#queue);
    for (const entry of waiting) {
      if (entry.settled) continue;
      if (entry.end <= now) entry.expire();
      else this.#setAlarm(entry.end);
    }
  }

  /** At the end of the tick, so that all that one tick writes rides together. */
  #schedule(): void {
    if (this.#scheduled || this.#inFlight.length >= IN_FLIGHT) return;
    this.#scheduled = true;
    void END_OF_TICK.then(this.#tickEnds);
  }

  #flush(): void {
    while (this.#queue.length > 0 && this.#inFlight.length < IN_FLIGHT) {
      const batch = this.#take();
      if (!batch) return;
      this.#inFlight.push(batch);
      this.#sendBatch(batch);
    }
  }

  /** As many from the queue as may ride together now. */
  #take(): CommitBatch | undefined {
    let batch: CommitBatch | undefined;
    const passed: CommitEntry[] = [];
    let blocked: Footprint | undefined;
    let inOrder = true;
    for (const { unordered } of this.#inFlight) inOrder &&= unordered;
    let taken = 0;
    for (const entry of this.#queue) {
      if (batch?.full || passed.length >= LOOK_AHEAD) break;
      taken++;
      if (!entry.isSendable()) continue;
      const { txn, unordered } = entry;
      const free = (unordered || inOrder) && (blocked?.admits(txn) ?? true) && this.#isFree(txn);
      if (free && batch?.take(entry)) continue;
      if (free && !batch) {
        batch = new CommitBatch(entry);
        continue;
      }
      inOrder &&= unordered;
      blocked ??= new Footprint();
      blocked.add(txn);
      passed.push(entry);
    }
    this.#queue = taken === this.#queue.length ? passed : passed.concat(this.#queue.slice(taken));
    return batch;
  }

  #isFree(txn: Txn): boolean {
    for (const batch of this.#inFlight) if (!batch.isIndependentOf(txn)) return false;
    return true;
  }

  #sendBatch(batch: CommitBatch): void {
    // Who waits for ever sets no timer that would hold the process.
    const release =
      batch.end === Infinity ? this.#clock.after(Infinity, () => undefined, { hold: true }) : undefined;
    this.#send(batch).then(
      (results) => {
        batch.answer(results);
        this.#over(batch, release);
      },
      (error: unknown) => {
        this.#failed(batch, error);
        this.#over(batch, release);
      },
    );
  }

  #over(batch: CommitBatch, release: (() => void) | undefined): void {
    release?.();
    const last = this.#inFlight.pop()!;
    if (last !== batch) this.#inFlight[this.#inFlight.indexOf(batch)] = last;
    this.#flush();
  }

  #failed(batch: CommitBatch, error: unknown): void {
    const { entries } = batch;
    if (error instanceof EtcdRefusedError && entries.length > 1) {
      batch.notRun();
      for (const entry of entries) entry.alone = true;
      this.#queue.unshift(...entries);
    } else {
      for (const entry of entries) entry.reject(error);
    }
  }
}

function closedError(): ClosedError {
  return new ClosedError('the connection to etcd was closed');
}
