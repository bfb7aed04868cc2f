import type { Session } from '../etcd/session.js';
import type { Admission } from './admission.js';
import { placeKey } from './queue-layout.js';

export interface PlaceListener {
  /** Every queue has admitted the place: what it stands for is held. */
  admitted(): void;
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
  /** The number of the attempt: see `QueueLayout.withdrawn`. */
  readonly attempt: number;
  /** The create revision of the keys, `0n` until etcd has answered. */
  revision = 0n;
  /**
   * It was given up while nobody knew whether etcd had it. The transaction that clears it away names it by key and lease
   * only, and one sent over a connection that was lost may arrive late: its slots are never used again.
   */
  withdrawn = false;
  #admitted = false;
  #end: Error | undefined;
  #listener: PlaceListener | undefined;

  constructor(request: PlaceRequest, session: Session, slots: readonly number[], attempt: number) {
    this.request = request;
    this.session = session;
    this.slots = slots;
    this.attempt = attempt;
    this.keys = request.queues.map((queue, index) =>
      placeKey(queue, session.leaseId, slots[index]!, request.admission.shared),
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
    else if (this.#admitted) listener?.admitted();
  }

  admit(): void {
    if (this.#admitted || this.#end) return;
    this.#admitted = true;
    this.#listener?.admitted();
  }

  /** The place is gone. The first reason stays. */
  end(reason: Error): void {
    if (this.#end) return;
    this.#end = reason;
    this.#listener?.lost(reason);
  }
}
