import type { Subscription } from 'rxjs';
import type { Clock } from '../etcd/clock.js';
import type { EtcdClient } from '../etcd/etcd.client.js';

/**
 * How long a start waits for etcd, once for all that it waits for: from the moment at which etcd was last known to be away.
 * Without this each view of an application would wait its `dialTimeout` anew.
 */
export class StartPatience {
  readonly #limit: number;
  readonly #clock: Clock;
  readonly #subscription: Subscription;
  #awaySince: number | undefined;

  /** @param limit in ms. */
  constructor(client: Pick<EtcdClient, 'status$'>, limit: number, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
    this.#subscription = client.status$.subscribe((status) => {
      this.#awaySince = status === 'ready' ? undefined : (this.#awaySince ?? clock.now());
    });
  }

  /** What is left of it, in ms; all of it while etcd is there. */
  left(): number {
    if (this.#awaySince === undefined) return this.#limit;
    return Math.max(0, this.#awaySince + this.#limit - this.#clock.now());
  }

  close(): void {
    this.#subscription.unsubscribe();
  }
}
