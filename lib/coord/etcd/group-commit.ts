import type { ITxnRequest, ITxnResponse } from 'etcd3';
import { ClosedError } from '../../errors/closed.error.js';
import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { EtcdRefusedError } from '../../errors/etcd-refused.error.js';
import { OutcomeUnknownError } from '../../errors/outcome-unknown.error.js';
import type { WriteOptions } from './calls.js';
import type { Clock } from './clock.js';

import { Footprint } from './footprint.js';
import type { Txn, TxnResult } from './kv.js';
import { onAbort } from './on-abort.js';
import type { Session } from './session.js';
import { decodeTxn, encodeTxn } from './wire.js';

/** etcd's default `--max-txn-ops`. The outer operations and those of the largest nested transaction count together. */
const MAX_OPERATIONS = 128;
/** etcd's default `--max-request-bytes` is 1.5 MiB; the rest is room for the frame around keys and values. */
const MAX_BYTES = 1.25 * 1024 * 1024;
/** What encoding adds to the keys and values of one operation, generously. */
const OPERATION_OVERHEAD = 64;

export interface CommitOptions extends WriteOptions {
  /** The write is sent only while this session is provably alive; else it rejects with `SessionLostError`, unsent. */
  readonly session?: Session;
}

interface Entry {
  readonly txn: Txn;
  readonly options: CommitOptions;
  readonly operations: number;
  readonly bytes: number;
  readonly end: number;
  /** Rides with nobody: its batch was refused, and it may be the reason. */
  alone: boolean;
  sent: boolean;
  settled: boolean;
  resolve(result: TxnResult): void;
  reject(error: unknown): void;
}

/** Sends one transaction; calls `sent` at the moment from which on it may run. */
type Send = (request: ITxnRequest, options: WriteOptions, sent: () => void) => Promise<ITxnResponse>;

/**
 * Group commit: transactions that are ready together travel as one etcd transaction, each nested, with its own
 * comparisons and its own outcome. One batch is on its way at a time and takes all that gathered meanwhile, so that an
 * idle writer waits for nobody and a busy process pays one round trip for up to 127 writes.
 * (D. DeWitt et al., "Implementation Techniques for Main Memory Database Systems", SIGMOD 1984.)
 *
 * Order is first come, first served. Only independent transactions ride together ({@link Footprint}); what etcd refuses
 * as a whole is sent again one by one, so that nobody fails for a neighbour.
 */
export class GroupCommit {
  readonly #send: Send;
  readonly #clock: Clock;
  readonly #defaultTimeout: number;
  #queue: Entry[] = [];
  #busy = false;
  #closed = false;

  constructor(send: Send, clock: Clock, defaultTimeout: number) {
    this.#send = send;
    this.#clock = clock;
    this.#defaultTimeout = defaultTimeout;
  }

  commit(txn: Txn, options: CommitOptions = {}): Promise<TxnResult> {
    const { signal, timeout = this.#defaultTimeout } = options;
    if (this.#closed) return Promise.reject(closedError());
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        entry.settled = true;
        cancelTimer();
        stopListening();
      };
      const entry: Entry = {
        txn,
        options,
        ...sizeOf(txn),
        end: this.#clock.now() + timeout,
        alone: false,
        sent: false,
        settled: false,
        resolve: (result) => {
          if (entry.settled) return;
          leave();
          resolve(result);
        },
        reject: (error) => {
          if (entry.settled) return;
          leave();
          reject(error);
        },
      };
      const stopListening = onAbort(signal, () => entry.reject(signal!.reason));
      const cancelTimer = this.#clock.after(timeout, () => entry.reject(timeoutError(entry, timeout)), {
        hold: true,
      });
      this.#queue.push(entry);
      this.#schedule();
    });
  }

  /** What waits is rejected; what is on its way keeps its own outcome. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const entry of this.#queue) entry.reject(closedError());
    this.#queue = [];
  }

  /** At the end of the tick, so that all that one tick writes rides together. */
  #schedule(): void {
    if (this.#busy) return;
    this.#busy = true;
    queueMicrotask(() => void this.#flush());
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#take();
      if (batch.length > 0) await this.#sendBatch(batch);
    }
    this.#busy = false;
  }

  /** The longest run from the head of the queue that may ride together. */
  #take(): Entry[] {
    const batch: Entry[] = [];
    const footprint = new Footprint();
    let bytes = 0;
    let operations = 0;
    let taken = 0;
    for (const entry of this.#queue) {
      if (entry.settled || !isSendable(entry)) {
        taken++;
        continue;
      }
      const [head] = batch;
      operations = Math.max(operations, entry.operations);
      bytes += entry.bytes;
      const rides =
        !head ||
        (!entry.alone &&
          !head.alone &&
          isIdempotent(entry) === isIdempotent(head) &&
          batch.length + 1 + operations <= MAX_OPERATIONS &&
          bytes <= MAX_BYTES &&
          footprint.admits(entry.txn));
      if (!rides) break;
      footprint.add(entry.txn);
      batch.push(entry);
      taken++;
    }
    this.#queue.splice(0, taken);
    return batch;
  }

  async #sendBatch(batch: readonly Entry[]): Promise<void> {
    const timeout = Math.max(1, Math.max(...batch.map(({ end }) => end)) - this.#clock.now());
    const idempotent = isIdempotent(batch[0]!);
    try {
      const results = await this.#exchange(batch, { timeout, idempotent });
      batch.forEach((entry, index) => entry.resolve(results[index]!));
    } catch (error) {
      if (error instanceof EtcdRefusedError && batch.length > 1) {
        for (const entry of batch) entry.alone = true;
        this.#queue.unshift(...batch);
      } else {
        for (const entry of batch) entry.reject(error);
      }
    }
  }

  async #exchange(batch: readonly Entry[], options: WriteOptions): Promise<readonly TxnResult[]> {
    const sent = (): void => {
      for (const entry of batch) entry.sent = true;
    };
    if (batch.length === 1) return [decodeTxn(await this.#send(encodeTxn(batch[0]!.txn), options, sent))];
    const success = batch.map(({ txn }) => ({ request_txn: encodeTxn(txn) }));
    const { header, responses } = await this.#send({ success }, options, sent);
    const revision = BigInt(header.revision);
    return responses.map(({ response_txn }) => decodeTxn(response_txn, revision));
  }
}

function isIdempotent({ options }: Entry): boolean {
  return options.idempotent ?? false;
}

/** The session is asked at the last moment before sending: it may have ended while the entry waited. */
function isSendable({ options, reject }: Entry): boolean {
  try {
    options.session?.assertAlive();
    return true;
  } catch (error) {
    reject(error);
    return false;
  }
}

function sizeOf({ compare = [], success, failure = [] }: Txn): { operations: number; bytes: number } {
  let bytes = 0;
  for (const { key, end } of compare) bytes += key.length + (end?.length ?? 0) + OPERATION_OVERHEAD;
  for (const op of [...success, ...failure]) {
    bytes += OPERATION_OVERHEAD;
    if ('put' in op) bytes += op.put.key.length + Buffer.byteLength(op.put.value);
  }
  return { operations: Math.max(compare.length, success.length, failure.length), bytes };
}

function closedError(): ClosedError {
  return new ClosedError('the connection to etcd was closed');
}

function timeoutError({ sent }: Entry, timeout: number): Error {
  const budget = `${Math.round(timeout)} ms`;
  return sent
    ? new OutcomeUnknownError(
        `a write was sent to etcd and not answered within ${budget}: read before you write again`,
      )
    : new CoordUnavailableError(`a write could not be sent to etcd within ${budget}; nothing was written`);
}
