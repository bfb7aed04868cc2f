import { Backoff, pause } from '../etcd/backoff.js';
import { type Clock, systemClock } from '../etcd/clock.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import type { Leadership } from './leadership.js';

/** How long a hand-over waits for work that still runs as the leader, in ms. */
const LAST_WORK = 5_000;

export interface CandidacyDeps {
  readonly name: string;
  readonly campaign: (signal: AbortSignal) => Promise<Leadership>;
  readonly logger: CoordLogger;
  readonly clock?: Clock;
}

/** Stands for election for as long as it is open: whoever loses the leadership campaigns again. */
export class Candidacy {
  readonly #deps: CandidacyDeps;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #work = new Set<Promise<unknown>>();
  #leadership: Leadership | undefined;

  constructor(deps: CandidacyDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? systemClock;
    void this.#run();
  }

  /** The leadership while this process has it; reads the clock. */
  get leadership(): Leadership | undefined {
    return !this.#closing.signal.aborted && this.#leadership?.isLeader() ? this.#leadership : undefined;
  }

  /** Has the hand-over wait for `work`. */
  track<T>(work: Promise<T>): Promise<T> {
    const tracked: Promise<void> = work.then(
      () => void this.#work.delete(tracked),
      () => void this.#work.delete(tracked),
    );
    this.#work.add(tracked);
    return work;
  }

  /** Starts nothing new, waits for what runs (at most 5 s), and hands over. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#work.size > 0) {
      const limit = new AbortController();
      void Promise.all(this.#work).finally(() => limit.abort());
      await pause(this.#clock, LAST_WORK, limit.signal);
    }
    await this.#leadership?.resign();
  }

  async #run(): Promise<void> {
    const { name, campaign, logger } = this.#deps;
    const closing = this.#closing.signal;
    const backoff = new Backoff({ first: 100, most: 5_000 });
    let failing = false;
    while (!closing.aborted) {
      try {
        const leadership = await campaign(closing);
        backoff.reset();
        failing = false;
        if (closing.aborted) return await leadership.resign();
        this.#leadership = leadership;
        logger.info('elected', { election: name, token: leadership.fencingToken.toString() });
        await ended(leadership.signal, closing);
        if (closing.aborted) return;
        // Its place is given up: nobody else would, and it may still stand in the queue.
        void leadership.resign();
        logger.warn('leadership lost', { election: name, err: leadership.signal.reason as Error });
      } catch (error) {
        if (closing.aborted) return;
        if (!failing) logger.warn('campaign failed, and is tried again', { election: name, err: error });
        failing = true;
        await pause(this.#clock, backoff.next(), closing);
      }
    }
  }
}

function ended(...signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      for (const signal of signals) signal.removeEventListener('abort', end);
      resolve();
    };
    for (const signal of signals) {
      if (signal.aborted) end();
      else signal.addEventListener('abort', end, { once: true });
    }
  });
}
