import type { OpResult } from '../etcd/kv.js';
import type { Session } from '../etcd/session.js';
import type { Admission } from './admission.js';
import type { Epoch } from './epoch.js';
import { placeKey } from './queue-layout.js';
import { isAdmitted } from './queue-txn.js';

export interface PlaceListener {
  /** Every queue has admitted the place: what it stands for is held. */
  admitted?(): void;
  /** The place is lost: its session ended, or somebody deleted its key. */
  lost(reason: Error): void;
}

export interface PlaceRequest {
  readonly queues: readonly string[];
  readonly admission: Admission;
  readonly value: string;
}

/** One task's place in one queue, or in several at once: then it has the same create revision in each of them. */
export class Place {
  readonly request: PlaceRequest;
  readonly session: Session;
  readonly slots: readonly number[];
  /** The keys of the place, one for each queue. */
  readonly keys: readonly string[];
  readonly epoch: Epoch;
  /** What the epoch was when the attempt was sent last: one of an earlier epoch is void. */
  sentIn: bigint;
  /** The create revision of the keys, `0n` until etcd has answered. */
  revision = 0n;
  /** Settles when it is known whether etcd has given the place. */
  taking: Promise<unknown> | undefined;
  /** The one attempt to leave it; see `Departures.leave`. */
  leaving: Promise<boolean | undefined> | undefined;
  /** Nobody else may have the place before this, on the monotonic clock. */
  keptUntil = 0;
  /** What runs under the place. */
  work: Promise<unknown> | undefined;
  /** Nobody knows what has become of its keys: its slots are not used again. */
  slotsSpent = false;
  #admitted = false;
  #end: Error | undefined;
  #listener: PlaceListener | undefined;

  constructor(request: PlaceRequest, session: Session, slots: readonly number[], epoch: Epoch) {
    this.request = request;
    this.session = session;
    this.slots = slots;
    this.epoch = epoch;
    this.sentIn = epoch.current;
    this.keys = request.queues.map((queue, index) =>
      placeKey(queue, session.leaseHex, slots[index]!, request.admission.shared),
    );
  }

  /** Whether every queue has admitted it and nothing is known against it; reads the clock. */
  get isHeld(): boolean {
    return this.#admitted && this.#end === undefined && this.session.isAlive();
  }

  /** Why the place is no more; `undefined` while it is not known to be gone. */
  get endReason(): Error | undefined {
    return this.#end ?? (this.session.isAlive() ? undefined : (this.session.signal.reason as Error));
  }

  /** Tells one listener; at once, if there is something to tell already. */
  listen(listener: PlaceListener | undefined): void {
    this.#listener = listener;
    if (this.#end) listener?.lost(this.#end);
    else if (this.#admitted) listener?.admitted?.();
  }

  /** etcd has given the place; `heads` are the first in each queue then. */
  taken(revision: bigint, heads: readonly OpResult[]): void {
    this.revision = revision;
    if (isAdmitted(this, heads)) this.admit();
  }

  admit(): void {
    if (this.#admitted || this.#end) return;
    this.#admitted = true;
    this.#listener?.admitted?.();
  }

  /** The place is gone. The first reason stays. */
  end(reason: Error): void {
    if (this.#end) return;
    this.#end = reason;
    this.#listener?.lost(reason);
  }
}
