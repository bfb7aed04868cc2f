import type { Clock } from '../etcd/clock.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import { prefixRange } from '../etcd/kv.js';
import type { Mirror } from '../etcd/mirror.js';
import { type Member, QueueOrder } from './queue-order.js';

/** A name that was contended will be so again: its watch outlives its last waiter by this many ms. */
const LINGER = 5_000;
/** How often a place that no event has shown yet is looked for, in ms. */
const LOOK_AGAIN = 500;

/**
 * One queue kept in memory for all waiters of this process. A hand-over costs no call, and the watch is there before it
 * is needed: a fresh watch for each waiter would run into etcd's 100 ms catch-up loop (mvcc/watchable_store.go).
 */
export class QueueWatch {
  readonly #mirror: Mirror;
  readonly #clock: Clock;
  readonly #order = new QueueOrder();
  readonly #members = new Set<Member>();
  readonly #closed: () => void;
  #cancelLinger: (() => void) | undefined;
  #cancelLook: (() => void) | undefined;

  /** @param closed told once, when nobody has needed the watch for a while */
  constructor(client: EtcdClient, queue: string, clock: Clock, closed: () => void) {
    this.#clock = clock;
    this.#closed = closed;
    this.#mirror = client.mirror(prefixRange(queue));
    this.#mirror.subscribe(({ changes }) => this.#order.apply(changes));
  }

  join(member: Member, admitted: boolean): void {
    this.#cancelLinger?.();
    this.#members.add(member);
    this.#order.join(member, admitted);
    this.#cancelLook ??= this.#clock.after(LOOK_AGAIN, () => this.#look());
  }

  leave(member: Member): void {
    this.#order.leave(member);
    if (!this.#members.delete(member) || this.#members.size > 0) return;
    this.#cancelLinger?.();
    this.#cancelLinger = this.#clock.after(LINGER, () => this.close());
  }

  /** A place of this process that etcd has confirmed to be gone; its event may still be on its way. */
  remove(key: string, revision: bigint): void {
    this.#order.remove(key, revision);
  }

  close(): void {
    this.#cancelLinger?.();
    this.#cancelLook?.();
    this.#mirror.close();
    this.#closed();
  }

  /** A place that came and went while the watch was away leaves no event: the map at a later revision lacks it. */
  #look(): void {
    this.#cancelLook = undefined;
    const unseen = [...this.#members].filter((member) => !this.#order.has(member));
    if (unseen.length === 0) return;
    const { revision } = this.#mirror.snapshot();
    for (const member of unseen) {
      if (revision < member.revision) continue;
      this.leave(member);
      member.gone();
    }
    if (this.#members.size > 0) this.#cancelLook ??= this.#clock.after(LOOK_AGAIN, () => this.#look());
  }
}
