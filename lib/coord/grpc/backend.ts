import { connectivityState, status } from '@grpc/grpc-js';
import type { Clock } from '../etcd/clock.js';
import type { Candidate } from '../registry/balancing/candidate.js';
import { InFlightCost } from '../registry/balancing/in-flight-cost.js';
import { weightOf } from '../registry/instance-traits.js';
import type { ServiceInstance } from '../registry/service-instance.js';
import {
  type ChannelControlHelper,
  type Endpoint,
  LeafLoadBalancer,
  type PickArgs,
  type PickResult,
  PickResultType,
  type SubchannelInterface,
  createChildChannelControlHelper,
} from './grpc-experimental.js';

/** The statuses that speak against the instance, not against the call. */
const FAILURES: ReadonlySet<number> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.INTERNAL,
  status.RESOURCE_EXHAUSTED,
]);

export interface BackendDeps {
  readonly clock: Clock;
  readonly helper: ChannelControlHelper;
  readonly options: Record<string, unknown>;
  /** Called when the connection's state has changed. */
  readonly changed: (backend: Backend, error: string | null) => void;
  /** Whether calls must be timed and counted, for policies that go by it. */
  readonly measured: boolean;
}

/** One instance with its connection. */
export class Backend implements Candidate {
  instance: ServiceInstance;
  readonly #leaf: LeafLoadBalancer;
  readonly #cost: InFlightCost;
  readonly #measured: boolean;
  #subchannel: SubchannelInterface | undefined;
  #result: PickResult | undefined;
  #started = false;

  constructor(instance: ServiceInstance, { clock, helper, options, changed, measured }: BackendDeps) {
    this.instance = instance;
    this.#cost = new InFlightCost(clock);
    this.#measured = measured;
    const endpoint: Endpoint = { addresses: [{ host: instance.address, port: instance.port }] };
    const own = createChildChannelControlHelper(helper, {
      createSubchannel: (address, args) => (this.#subchannel = helper.createSubchannel(address, args)),
      updateState: (_state, _picker, error) => {
        this.#result = undefined;
        changed(this, error);
      },
      // Our resolver reports each change by itself; asking it again would only wake it up.
      requestReresolution: () => undefined,
    });
    this.#leaf = new LeafLoadBalancer(endpoint, own, options, '');
  }

  get state(): connectivityState {
    return this.#leaf.getConnectivityState();
  }

  weight(): number {
    return weightOf(this.instance);
  }

  cost(): number {
    return this.#cost.value / Math.max(this.weight(), Number.MIN_VALUE);
  }

  /** Connects, or comes back to connecting. Harmless when connected. */
  connect(): void {
    if (this.#started) this.#leaf.exitIdle();
    else {
      this.#started = true;
      this.#leaf.startConnecting();
    }
  }

  /** The instance registered anew: whatever was wrong with it, trying is worth it now. */
  reconnect(): void {
    if (this.state !== connectivityState.TRANSIENT_FAILURE) return;
    const real = this.#subchannel?.getRealSubchannel();
    real?.resetBackoff();
  }

  /** Sends a call to this instance. Only for a backend that is ready. */
  pick(args: PickArgs): PickResult {
    this.#result ??= this.#leaf.getPicker().pick(args);
    if (!this.#measured || this.#result.pickResultType !== PickResultType.COMPLETE) return this.#result;
    let since: number | undefined;
    return {
      ...this.#result,
      onCallStarted: () => {
        since = this.#cost.begin();
      },
      onCallEnded: (code) => {
        if (since !== undefined) this.#cost.end(since, FAILURES.has(code));
      },
    };
  }

  destroy(): void {
    this.#leaf.destroy();
  }
}
