import type { Compare } from '../etcd/kv.js';
import type { Lock } from '../lock/lock.js';

/** A won election, until it is resigned or lost. */
export interface Leadership extends AsyncDisposable {
  readonly name: string;
  /** What followers are shown. */
  readonly value: string;
  /** Aborts with a `LockLostError` before etcd can give the leadership to another. */
  readonly signal: AbortSignal;
  /** Rises with each change of leader. */
  readonly fencingToken: bigint;
  /** Reads the clock: right also after a long synchronous block or a pause of the process. */
  isLeader(): boolean;
  /** @throws LockLostError if this process is not provably the leader */
  assertLeader(): void;
  /** The comparisons that hold in etcd exactly while this is the leader, for a transaction of your own. */
  guard(): readonly Compare[];
  /** Hands over to the next candidate, which learns of it within one round trip. Never rejects. Idempotent. */
  resign(): Promise<void>;
}

/** A leadership is a lock under another name. */
export class HeldLeadership implements Leadership {
  readonly name: string;
  readonly value: string;
  readonly #lock: Lock;

  constructor(name: string, value: string, lock: Lock) {
    this.name = name;
    this.value = value;
    this.#lock = lock;
  }

  get signal(): AbortSignal {
    return this.#lock.signal;
  }

  get fencingToken(): bigint {
    return this.#lock.fencingToken;
  }

  isLeader(): boolean {
    return this.#lock.isHeld();
  }

  assertLeader(): void {
    this.#lock.assertHeld();
  }

  guard(): readonly Compare[] {
    return this.#lock.guard();
  }

  resign(): Promise<void> {
    return this.#lock.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.resign();
  }
}
