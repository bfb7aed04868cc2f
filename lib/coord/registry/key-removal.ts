import { Backoff } from '../etcd/backoff.js';
import type { Clock } from '../etcd/clock.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import type { PublishedKey } from './published-key.js';

/** What one attempt in the background may take, in ms: whoever stops meanwhile waits for it. */
const ATTEMPT_BUDGET = 500;

export interface KeyRemovalDeps {
  readonly client: EtcdClient;
  readonly clock: Clock;
  /** Called once, when nothing is left in etcd that could be removed. */
  readonly onGone: () => void;
}

/** Takes a published key out of etcd, and does not leave it there because etcd was away for a moment. */
export class KeyRemoval {
  readonly #published: PublishedKey;
  readonly #deps: KeyRemovalDeps;
  #attempt: Promise<void> | undefined;
  #insisting = false;
  #superseded = false;

  constructor(published: PublishedKey, deps: KeyRemovalDeps) {
    this.#published = published;
    this.#deps = deps;
  }

  /**
   * Removes it. A write that is under way comes first: writes of one key run in the order of their calls. Idempotent; after
   * a rejection it goes on in the background, until it has succeeded or the lease is gone, and can be called again.
   */
  run(options: CallOptions): Promise<void> {
    this.#attempt ??= this.#remove(options);
    return this.#attempt;
  }

  /** Removes it in the background. Never rejects. */
  begin(): void {
    this.run({ timeout: ATTEMPT_BUDGET }).catch(() => undefined);
  }

  /** Another registration of this process takes the key over: what is left of it is not removed any more. */
  supersede(): void {
    this.#superseded = true;
  }

  async #remove(options: CallOptions): Promise<void> {
    try {
      await this.#published.remove(options, () => this.#superseded);
    } catch (error) {
      this.#attempt = undefined;
      if (!this.#insisting) void this.#insist();
      throw error;
    }
    this.#deps.onGone();
  }

  async #insist(): Promise<void> {
    const { client, clock, onGone } = this.#deps;
    const backoff = new Backoff({ first: 200, most: 5_000 });
    this.#insisting = true;
    while (client.status !== 'closed' && !this.#superseded && this.#published.removable) {
      await new Promise<void>((resolve) => void clock.after(500 + backoff.next(), resolve));
      try {
        return await this.run({ timeout: ATTEMPT_BUDGET });
      } catch {
        // still away: the lease dies with the session, and then there is nothing left to delete
      }
    }
    onGone();
  }
}
