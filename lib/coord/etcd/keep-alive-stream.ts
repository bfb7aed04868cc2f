import type { ILeaseKeepAliveRequest, ILeaseKeepAliveResponse } from 'etcd3';
import type { Generation } from './generation.js';
import { RpcFailure } from './rpc-failure.js';

interface Stream {
  write(request: ILeaseKeepAliveRequest): unknown;
}

type Answer = (ttl: number) => void;

/** The renewals of all leases of one generation, on one stream. */
export class KeepAliveStream {
  readonly #generation: Generation;
  /** etcd answers the renewals of one stream in order; so the oldest question of a lease owns its next answer. */
  readonly #asked = new Map<string, Answer[]>();
  #stream: Promise<Stream> | undefined;

  constructor(generation: Generation) {
    this.#generation = generation;
  }

  /**
   * Asks etcd to renew `leaseId`; `answered` gets the granted TTL in seconds, 0 if the lease is gone. It is never
   * called when the generation ends first: then nothing is known of the lease.
   */
  renew(leaseId: bigint, answered: Answer): void {
    if (this.#generation.signal.aborted) return;
    const id = leaseId.toString();
    const waiting = this.#asked.get(id);
    if (waiting) waiting.push(answered);
    else this.#asked.set(id, [answered]);
    this.#stream ??= this.#open();
    this.#stream.then(
      (stream) => stream.write({ ID: id }),
      (error: unknown) => this.#generation.drop(new RpcFailure(error)),
    );
  }

  async #open(): Promise<Stream> {
    const stream = await this.#generation.rpc.leaseClient.leaseKeepAlive(this.#generation.stream());
    stream.on('data', (response) => this.#receive(response));
    stream.on('error', (error) => this.#generation.drop(new RpcFailure(error)));
    stream.on('end', () =>
      this.#generation.drop(new RpcFailure(new Error('14 UNAVAILABLE: the keep-alive stream ended'))),
    );
    return stream;
  }

  #receive({ ID, TTL }: ILeaseKeepAliveResponse): void {
    const waiting = this.#asked.get(ID);
    const answered = waiting?.shift();
    if (waiting?.length === 0) this.#asked.delete(ID);
    if (answered && !this.#generation.signal.aborted) answered(Number(TTL));
  }
}
