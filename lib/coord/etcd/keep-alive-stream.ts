import type { RenewalAnswer } from './answers.js';
import type { Clock } from './clock.js';
import type { Generation } from './generation.js';
import { afterSilence } from './patience.js';
import { RpcFailure } from './rpc-failure.js';

interface Stream {
  write(leaseId: bigint): unknown;
}

interface Renewal {
  answered(ttl: number): void;
  stopWaiting(): void;
}

/**
 * The renewals of all leases of one generation, on one stream. One that stays unanswered puts the member in doubt: there
 * may be another that would have answered while the lease still lives. During an election none would, and the member
 * answers other questions: then it is not left.
 */
export class KeepAliveStream {
  readonly #generation: Generation;
  readonly #clock: Clock;
  /** etcd answers the renewals of one stream in order; so the oldest question of a lease owns its next answer. */
  readonly #asked = new Map<bigint, Renewal[]>();
  #stream: Stream | undefined;

  constructor(generation: Generation, clock: Clock) {
    this.#generation = generation;
    this.#clock = clock;
    generation.signal.addEventListener('abort', () => this.#end(), { once: true });
  }

  /**
   * Asks etcd to renew `leaseId`; `answered` gets the granted TTL in seconds, 0 if the lease is gone. It is never
   * called when the generation ends first, which it does after `patience` ms in which nothing was heard of it: then
   * nothing is known of the lease.
   */
  renew(leaseId: bigint, patience: number, answered: (ttl: number) => void): void {
    if (this.#generation.dropped) return;
    const { life } = this.#generation;
    const sent = this.#clock.now();
    const stopWaiting = afterSilence(
      this.#clock,
      patience,
      () => {
        if (!life.givenUp(sent, patience)) return;
        this.#drop(`no answer to the renewal of a lease within ${Math.round(patience)} ms`);
      },
      () => life.waiting(sent, patience / 3),
    );
    const waiting = this.#asked.get(leaseId);
    if (waiting) waiting.push({ answered, stopWaiting });
    else this.#asked.set(leaseId, [{ answered, stopWaiting }]);
    this.#stream ??= this.#open();
    this.#stream.write(leaseId);
  }

  #open(): Stream {
    const stream = this.#generation.stream((rpc, control) => rpc.leaseKeepAlive(control));
    stream.on('data', (response) => this.#receive(response));
    stream.on('error', (error) => this.#generation.drop(new RpcFailure(error)));
    stream.on('end', () => this.#drop('the keep-alive stream ended'));
    return stream;
  }

  #receive({ leaseId, ttl }: RenewalAnswer): void {
    this.#generation.life.heard();
    const waiting = this.#asked.get(leaseId);
    const renewal = waiting?.shift();
    if (waiting?.length === 0) this.#asked.delete(leaseId);
    renewal?.stopWaiting();
    if (!this.#generation.dropped) renewal?.answered(ttl);
  }

  #drop(reason: string): void {
    this.#generation.drop(new RpcFailure(new Error(`14 UNAVAILABLE: ${reason}`)));
  }

  #end(): void {
    for (const renewals of this.#asked.values()) for (const { stopWaiting } of renewals) stopWaiting();
    this.#asked.clear();
  }
}
