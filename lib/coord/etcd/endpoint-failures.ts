import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { type DialFailure, explainDial } from './dial-failure.js';
import type { Endpoint } from './endpoint.js';
import type { RpcFailure } from './rpc-failure.js';

/** Why each endpoint could not be used, last time it was tried. */
export class EndpointFailures {
  readonly #endpoints: readonly Endpoint[];
  readonly #failures = new Map<string, DialFailure>();

  constructor(endpoints: readonly Endpoint[]) {
    this.#endpoints = endpoints;
  }

  note({ address }: Endpoint, failure: RpcFailure): void {
    this.#failures.set(address, explainDial(failure));
  }

  clear(): void {
    this.#failures.clear();
  }

  /** Whether every endpoint has failed. */
  get complete(): boolean {
    return this.#failures.size >= this.#endpoints.length;
  }

  /** Set once the cluster, or every endpoint, has refused us for a reason that time does not mend. */
  hopeless(): CoordUnavailableError | undefined {
    const failures = [...this.#failures.values()];
    const everywhere = this.complete && failures.every(({ permanent }) => permanent);
    return everywhere || failures.some(({ clusterWide }) => clusterWide)
      ? new CoordUnavailableError(`etcd cannot be used: ${this.describe()}`)
      : undefined;
  }

  unavailable(timeout: number, last?: RpcFailure): CoordUnavailableError {
    const answer = last ? `; last answer: ${last.reason}` : '';
    return new CoordUnavailableError(
      `etcd did not answer within ${Math.round(timeout)} ms at ${this.describe()}${answer}`,
    );
  }

  /** The endpoints, each with its failure, for messages. */
  describe(): string {
    return this.#endpoints
      .map(({ address }) => {
        const failure = this.#failures.get(address);
        return failure ? `${address} (${failure.text})` : address;
      })
      .join(', ');
  }
}
