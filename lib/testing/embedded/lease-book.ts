import { randomBytes } from 'node:crypto';
import { etcdErrors } from './etcd-status.js';
import { type LeaseAttachments } from './mvcc-store.js';

export interface Lease {
  readonly id: bigint;
  /** Granted, in seconds. */
  readonly ttl: number;
  readonly keys: Set<string>;
  /** On the book's clock, in milliseconds. */
  expiry: number;
}

/** etcd grants no less: 1.5 × its election timeout of 1 s, rounded up to a second. */
const MIN_TTL = 2;
const MAX_TTL = 9_000_000_000;
/** How long a timer may wait; a longer lease is looked at again. */
const LONGEST_WAIT = 60_000;

/** The leases of a server: who holds which keys for how long. Deleting the keys of a lease that ends is its owner's part. */
export class LeaseBook implements LeaseAttachments {
  readonly #leases = new Map<bigint, Lease>();
  readonly #end: (lease: Lease) => void;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #wakesAt = Infinity;
  #frozen = false;

  /** @param end deletes the keys of a lease; called once, when it is revoked or expires. */
  constructor(end: (lease: Lease) => void, now: () => number = () => performance.now()) {
    this.#end = end;
    this.#now = now;
  }

  /** @param id 0: the book chooses one. */
  grant(id: bigint, ttl: number): Lease {
    const chosen = id === 0n ? this.#freeId() : id;
    if (ttl > MAX_TTL) throw etcdErrors.leaseTtlTooLarge();
    if (this.#leases.has(chosen)) throw etcdErrors.leaseExists();
    const granted = Math.max(ttl, MIN_TTL);
    const lease = { id: chosen, ttl: granted, keys: new Set<string>(), expiry: this.#now() + granted * 1000 };
    this.#leases.set(chosen, lease);
    if (lease.expiry < this.#wakesAt) this.#schedule();
    return lease;
  }

  has(id: bigint): boolean {
    return this.#leases.has(id);
  }

  find(id: bigint): Lease | undefined {
    return this.#leases.get(id);
  }

  /** The granted TTL in seconds; 0 if there is no such lease (any more). */
  renew(id: bigint): number {
    this.expireDue();
    const lease = this.#leases.get(id);
    if (lease === undefined) return 0;
    lease.expiry = this.#now() + lease.ttl * 1000;
    return lease.ttl;
  }

  revoke(id: bigint): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) throw etcdErrors.leaseNotFound();
    this.#end(lease);
    this.#leases.delete(id);
  }

  /** Whole seconds left. */
  remaining(lease: Lease): number {
    return Math.trunc((lease.expiry - this.#now()) / 1000);
  }

  /** Those that end first come first. */
  all(): Lease[] {
    return [...this.#leases.values()].sort((a, b) => a.expiry - b.expiry);
  }

  attach(id: bigint, key: string): void {
    this.#leases.get(id)?.keys.add(key);
  }

  detach(id: bigint, key: string): void {
    this.#leases.get(id)?.keys.delete(key);
  }

  /** Ends what is over. The timer does it too; whoever asks first. */
  expireDue(): void {
    if (this.#frozen) return;
    const now = this.#now();
    for (const lease of this.#leases.values()) if (lease.expiry <= now) this.revoke(lease.id);
  }

  /** Nothing expires until {@link thaw}: the server is down. */
  freeze(): void {
    this.#frozen = true;
    clearTimeout(this.#timer);
    this.#wakesAt = Infinity;
  }

  /** A new leader gives every lease its whole TTL again: it cannot know when the last renewal was. */
  thaw(): void {
    this.#frozen = false;
    for (const lease of this.#leases.values()) lease.expiry = this.#now() + lease.ttl * 1000;
    this.#schedule();
  }

  close(): void {
    this.freeze();
    this.#leases.clear();
  }

  #freeId(): bigint {
    // Positive, as etcd's own.
    const id = randomBytes(8).readBigUInt64BE() >> 1n;
    return id === 0n || this.#leases.has(id) ? this.#freeId() : id;
  }

  /** One timer for all, set for the lease that ends first. Renewals move no timer: it finds them renewed and waits again. */
  #schedule(): void {
    clearTimeout(this.#timer);
    this.#wakesAt = Infinity;
    if (this.#frozen) return;
    for (const { expiry } of this.#leases.values()) this.#wakesAt = Math.min(this.#wakesAt, expiry);
    if (this.#wakesAt === Infinity) return;
    const wait = Math.min(Math.max(this.#wakesAt - this.#now(), 1), LONGEST_WAIT);
    this.#timer = setTimeout(() => {
      this.expireDue();
      this.#schedule();
    }, wait).unref();
  }
}
