import { setTimeout as sleep } from 'node:timers/promises';
import { ValidationError } from '../errors/validation.error.js';
import { type FaultProxy } from './faults/fault-proxy.js';
import { type ServerState } from './embedded/server-state.js';

/** What can go wrong with an etcd, on demand: for tests of how an application bears it. */
export class EmbeddedFaults {
  readonly #state: ServerState;
  readonly #front: FaultProxy;

  constructor(state: ServerState, front: FaultProxy) {
    this.#state = state;
    this.#front = front;
  }

  /** The proxy that all clients go through, for finer faults: at a chosen message, delays, refusal. */
  get network(): FaultProxy {
    return this.#front;
  }

  /** Destroys every connection and with it every watch and keep-alive stream. Clients may come back at once. */
  cutStreams(): void {
    this.#front.cut();
  }

  /** From now on nothing arrives and nothing is answered, but no connection is closed. Leases go on to expire. */
  stall(): void {
    this.#front.stall();
  }

  /** Ends a stall; what was sent meanwhile arrives now. */
  resume(): void {
    this.#front.resume();
  }

  /** Forgets the history before `revision`. @param revision @default the newest */
  compact(revision: number | bigint = this.#state.store.revision): void {
    this.#state.store.compact(Number(revision));
  }

  /** Ends a lease now, as if its time were over. Throws etcd's error if there is no such lease. */
  expireLease(id: bigint | string): void {
    this.#state.leases.revoke(leaseId(id));
  }

  /**
   * Goes away and comes back with all its keys, on the same port. As with etcd, leases start anew with their whole TTL and
   * tokens are no longer known.
   *
   * @param options.down how long nobody listens, in milliseconds. @default 0
   */
  async restart(options: { readonly down?: number } = {}): Promise<void> {
    const { auth, leases } = this.#state;
    this.#front.refuse();
    leases.freeze();
    auth.forgetTokens();
    await sleep(options.down ?? 0);
    this.#state.raftTerm++;
    leases.thaw();
    this.#front.resume();
  }
}

function leaseId(id: bigint | string): bigint {
  try {
    return BigInt(id);
  } catch {
    throw new ValidationError('id', 'the id of a lease, a bigint or its decimal digits', id);
  }
}
