import { connectivityState, status } from '@grpc/grpc-js';
import type { Clock } from '../etcd/clock.js';
import type { Candidate } from '../registry/balancing/candidate.js';
import { Ejection } from '../registry/balancing/ejection.js';
import { InFlightCost } from '../registry/balancing/in-flight-cost.js';
import { Liveness } from '../registry/balancing/liveness.js';
import { SlowStart } from '../registry/balancing/slow-start.js';
import { weightOf } from '../registry/instance-traits.js';
import type { ServiceInstance } from '../registry/service-instance.js';
import type { ClientPlan } from './coord-grpc.options.js';
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
import { HealthWatch } from './health-watch.js';

/** The statuses that speak against the instance rather than against the call. */
const FAILURES: ReadonlySet<number> = new Set([status.UNAVAILABLE, status.DEADLINE_EXCEEDED]);

/** The statuses that a call can end with without a word from the instance. */
const SILENT: ReadonlySet<number> = new Set([status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.CANCELLED]);

export interface BackendDeps {
  readonly clock: Clock;
  readonly helper: ChannelControlHelper;
  readonly options: Record<string, unknown>;
  readonly plan: ClientPlan;
  /** Others were serving when it came: it may be eased in. */
  readonly joins: boolean;
  /** Called when the state of the connection or of the health service has changed, or it hangs, or does no longer. */
  readonly changed: (backend: Backend, error: string | null) => void;
  /** Called when a call starts and none was under way. */
  readonly active: () => void;
  /** Called when calls to it have failed often enough to set it aside. */
  readonly failing: (backend: Backend) => void;
}

/** One instance with its connection, and how it has done lately. */
export class Backend implements Candidate {
  instance: ServiceInstance;
  ejection: Ejection;
  readonly liveness: Liveness;
  readonly #deps: BackendDeps;
  readonly #leaf: LeafLoadBalancer;
  readonly #cost: InFlightCost;
  #subchannel: SubchannelInterface | undefined;
  #slowStart: SlowStart | undefined;
  #health: HealthWatch | undefined;
  #result: PickResult | undefined;
  #pendingSince = 0;
  #started = false;
  #destroyed = false;

  constructor(instance: ServiceInstance, deps: BackendDeps) {
    this.instance = instance;
    this.#deps = deps;
    this.ejection = new Ejection(deps.clock);
    this.liveness = new Liveness(deps.clock, () => deps.changed(this, null));
    this.#cost = new InFlightCost(deps.clock);
    const { helper, options } = deps;
    const endpoint: Endpoint = { addresses: [{ host: instance.address, port: instance.port }] };
    const own = createChildChannelControlHelper(helper, {
      createSubchannel: (address, args) => (this.#subchannel = helper.createSubchannel(address, args)),
      updateState: (_state, _picker, error) => this.#onLeaf(error),
      // Our resolver reports each change by itself; asking it again would only wake it up.
      requestReresolution: () => undefined,
    });
    this.#leaf = new LeafLoadBalancer(endpoint, own, options, '');
  }

  get state(): connectivityState {
    return this.#leaf.getConnectivityState();
  }

  /** Connected, and as far as it says itself it serves. */
  get ready(): boolean {
    return (
      this.state === connectivityState.READY && (this.#health === undefined || this.#health.serving === true)
    );
  }

  /** It may be ready in a moment: it connects, or its health service has not answered yet. */
  get pending(): boolean {
    const { state } = this;
    if (state === connectivityState.READY)
      return this.#health !== undefined && this.#health.serving === undefined;
    return state === connectivityState.CONNECTING || state === connectivityState.IDLE;
  }

  /** How long it has been pending, in ms. */
  get pendingFor(): number {
    return this.#deps.clock.now() - this.#pendingSince;
  }

  /** A channel to this instance alone, for questions of our own; `undefined` while it is not connected. */
  get channel(): ReturnType<SubchannelInterface['getChannel']> | undefined {
    return this.state === connectivityState.READY ? this.#subchannel?.getChannel() : undefined;
  }

  /** Ready, answering, and not set aside. */
  get well(): boolean {
    return this.ready && !this.liveness.stalled && !this.ejection.active;
  }

  /** Why it gets no calls; `undefined` if it does. */
  get trouble(): string | undefined {
    if (this.state !== connectivityState.READY) return connectivityState[this.state].toLowerCase();
    if (this.pending) return 'its health service has not answered yet';
    if (!this.ready) return 'its health service has not said that it serves';
    if (this.ejection.active)
      return `set aside for ${Math.ceil(this.ejection.remaining)} ms: calls failed in a row`;
    if (this.liveness.stalled) return 'it does not answer';
    return undefined;
  }

  /** Whether its weight is still growing. */
  get ramping(): boolean {
    return this.#slowStart !== undefined && !this.#slowStart.over;
  }

  weight(): number {
    return weightOf(this.instance) * (this.#slowStart?.factor ?? 1);
  }

  cost(): number {
    return this.#cost.value / Math.max(this.weight(), Number.MIN_VALUE);
  }

  /** Connects, or comes back to connecting. Harmless when connected. */
  connect(): void {
    if (this.state === connectivityState.IDLE) this.#pendingSince = this.#deps.clock.now();
    if (this.#started) this.#leaf.exitIdle();
    else {
      this.#started = true;
      this.#leaf.startConnecting();
    }
  }

  /** What is registered at its address now: for another process nothing counts that was said of the one before. */
  take(instance: ServiceInstance): void {
    if (instance.id !== this.instance.id) this.ejection = new Ejection(this.#deps.clock);
    this.instance = instance;
    this.reconnect();
  }

  /** The instance registered anew: whatever was wrong with it, trying is worth it now. */
  reconnect(): void {
    if (this.state !== connectivityState.TRANSIENT_FAILURE) return;
    this.#subchannel?.getRealSubchannel().resetBackoff();
  }

  /** Sends a call to this instance. Only for a backend that is ready. */
  pick(args: PickArgs): PickResult {
    this.#result ??= this.#prepare(args);
    if (this.#deps.plan.balancing.policy !== 'least_request') return this.#result;
    let since: number | undefined;
    return {
      ...this.#result,
      onCallStarted: () => {
        since = this.#cost.begin();
        this.#onCallStarted();
      },
      onCallEnded: (code) => {
        if (since !== undefined) this.#cost.end(since, FAILURES.has(code));
        this.#onCallEnded(code);
      },
    };
  }

  destroy(): void {
    this.#destroyed = true;
    this.#health?.close();
    this.#leaf.destroy();
  }

  /** The same object for all calls while the connection lasts: a call costs no allocation here. */
  #prepare(args: PickArgs): PickResult {
    const result = this.#leaf.getPicker().pick(args);
    if (result.pickResultType !== PickResultType.COMPLETE) return result;
    return {
      ...result,
      onCallStarted: () => this.#onCallStarted(),
      onCallEnded: (code: status) => this.#onCallEnded(code),
    };
  }

  #onCallStarted(): void {
    if (this.liveness.inFlight === 0) this.#deps.active();
    this.liveness.begin();
  }

  #onCallEnded(code: status): void {
    this.liveness.end(!SILENT.has(code));
    if (this.#deps.plan.ejection && this.ejection.record(FAILURES.has(code))) this.#deps.failing(this);
  }

  #onLeaf(error: string | null): void {
    if (this.#destroyed) return;
    this.#result = undefined;
    const { clock, plan, joins, changed } = this.#deps;
    if (this.state === connectivityState.READY) {
      this.liveness.seen();
      if (joins && plan.slowStart > 0) this.#slowStart ??= new SlowStart(clock, plan.slowStart);
      this.#watchHealth();
    } else {
      this.#health?.close();
      this.#health = undefined;
    }
    changed(this, error);
  }

  #watchHealth(): void {
    const { clock, plan, changed } = this.#deps;
    if (plan.healthCheck === undefined || this.#health || !this.#subchannel) return;
    this.#health = new HealthWatch(this.#subchannel.getChannel(), plan.healthCheck, clock, () =>
      changed(this, null),
    );
  }
}
