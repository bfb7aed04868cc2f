import { connectivityState, status } from '@grpc/grpc-js';
import { type Clock, systemClock } from '../etcd/clock.js';
import type { CallHeaders } from '../registry/balancing/candidate.js';
import { Chooser } from '../registry/balancing/chooser.js';
import type { ServiceInstance } from '../registry/service-instance.js';
import { Backend } from './backend.js';
import { BALANCER_NAME } from './balancer-config.js';
import { ChooserPicker } from './chooser-picker.js';
import { connectFirst } from './connect-first.js';
import {
  type ChannelControlHelper,
  type Endpoint,
  type LoadBalancer,
  type LoadBalancingConfig,
  type Picker,
  QueuePicker,
  type StatusOr,
  UnavailablePicker,
} from './grpc-experimental.js';
import type { BalancerReport, Explains } from './balancer-report.js';
import { StallWatch } from './stall-watch.js';
import { SELECTION, type Selection } from './selection.js';

/** How often the weight of a newcomer is read again, in ms. */
const RAMP_STEP = 100;

/** A timer may fire a moment before the clock has got there. */
const TIMER_SLACK = 10;

const { READY, CONNECTING, IDLE, TRANSIENT_FAILURE } = connectivityState;

/**
 * Spreads the calls of one channel over the instances of a service.
 *
 * Unlike grpc-js' own policies it keeps what has not changed: an update connects the new and closes the gone, at a cost of
 * what changed, and never touches the others. Without an instance it fails calls at once (grpc-js' `round_robin` lets them
 * hang), and it never asks the resolver again (grpc-js' policies do, which with a pushing resolver is an endless loop).
 */
export class Balancer implements LoadBalancer, Explains {
  readonly #helper: ChannelControlHelper;
  readonly #clock: Clock = systemClock;
  readonly #backends = new Map<string, Backend>();
  #selection: Selection | undefined;
  #chooser: Chooser<Backend> | undefined;
  #current: connectivityState = IDLE;
  #lastError = '';
  #note = '';
  readonly #stalls = new StallWatch(this.#clock, () => this.#backends.values());
  readonly #timers = new Set<() => void>();
  #ramp: (() => void) | undefined;
  #queued = false;
  #updating = false;
  #destroyed = false;

  constructor(helper: ChannelControlHelper) {
    this.#helper = helper;
  }

  updateAddressList(
    endpoints: StatusOr<Endpoint[]>,
    _config: LoadBalancingConfig,
    options: Record<string, unknown>,
    note: string,
  ): boolean {
    if (!endpoints.ok) {
      if (this.#backends.size === 0) this.#fail(endpoints.error.details);
      return true;
    }
    const selection = options[SELECTION] as Selection | undefined;
    if (selection === undefined) {
      this.#fail(`${BALANCER_NAME} works with coord: targets only`);
      return false;
    }
    const joins = this.#current === READY;
    this.#selection = selection;
    selection.channel.attach(this);
    this.#note = note;
    this.#updating = true;
    for (const [address, backend] of this.#backends) {
      if (selection.instances.has(address)) continue;
      this.#backends.delete(address);
      backend.destroy();
    }
    for (const [address, instance] of selection.instances) {
      const known = this.#backends.get(address);
      if (known === undefined) this.#backends.set(address, this.#create(instance, options, joins));
      else if (known.instance !== instance) known.take(instance);
    }
    this.#updating = false;
    this.#publish();
    return true;
  }

  /** Why each instance does or does not get calls now, and which one a call with these headers would get. */
  explain(headers: CallHeaders): BalancerReport {
    const troubles = [...this.#backends.values()].map(
      ({ instance, trouble }): [string, string | undefined] => [instance.id, trouble],
    );
    const { chosen, steps } = this.#chooser?.explain(headers) ?? { chosen: undefined, steps: [] };
    return { troubles: new Map(troubles), chosen: chosen?.instance, steps };
  }

  /** grpc-js calls this for each call. There is nothing to do: whoever is idle is connected again when that is noticed. */
  exitIdle(): void {}

  resetBackoff(): void {
    for (const backend of this.#backends.values()) backend.reconnect();
  }

  destroy(): void {
    this.#destroyed = true;
    this.#ramp?.();
    this.#stalls.close();
    for (const cancel of this.#timers) cancel();
    this.#selection?.channel.detach(this);
    for (const backend of this.#backends.values()) backend.destroy();
    this.#backends.clear();
  }

  getTypeName(): string {
    return BALANCER_NAME;
  }

  #create(instance: ServiceInstance, options: Record<string, unknown>, joins: boolean): Backend {
    return new Backend(instance, {
      clock: this.#clock,
      helper: this.#helper,
      options,
      joins,
      plan: (options[SELECTION] as Selection).plan,
      changed: (backend, error) => this.#onBackend(backend, error),
      active: () => this.#stalls.wake(),
      failing: (backend) => this.#onFailing(backend),
    });
  }

  #onBackend(backend: Backend, error: string | null): void {
    if (this.#destroyed) return;
    if (error) this.#lastError = error;
    const { state } = backend;
    if (state === TRANSIENT_FAILURE) this.#selection?.unreachable(backend.instance);
    if (this.#updating) return;
    // Who is lost or hangs must not be chosen again, and the first one is waited for; one more can wait for its tick's others.
    if (this.#current === READY && backend.well) this.#publishSoon();
    else this.#publish();
  }

  /**
   * Sets an instance aside, unless it is no worse than the rest, or half of them are aside already. One that nobody needed
   * to connect to yet (`pick_first`) counts as well.
   */
  #onFailing(backend: Backend): void {
    const others = [...this.#backends.values()].filter(
      (each) => each !== backend && (each.trouble === undefined || each.state === IDLE),
    );
    const better = others.filter(({ ejection }) => ejection.failures < backend.ejection.failures / 2);
    if (this.#destroyed || better.length === 0 || 2 * others.length < this.#backends.size) return;
    const term = backend.ejection.start();
    this.#publish();
    this.#later(term);
  }

  /** Looks again after a time: a term is over, a newcomer has grown. */
  #later(delay: number): void {
    const cancel = this.#clock.after(delay + TIMER_SLACK, () => {
      this.#timers.delete(cancel);
      this.#publish();
    });
    this.#timers.add(cancel);
  }

  #publishSoon(): void {
    if (this.#queued) return;
    this.#queued = true;
    setImmediate(() => {
      this.#queued = false;
      if (!this.#destroyed) this.#publish();
    });
  }

  #publish(): void {
    const selection = this.#selection;
    if (selection === undefined || this.#destroyed) return;
    const known = [...this.#backends.values()];
    this.#keepConnected(known, selection);
    const ready = known.filter((backend) => backend.ready);
    if (ready.length > 0) {
      const well = ready.filter((backend) => backend.well);
      const able = well.length > 0 ? well : ready;
      const chooser = new Chooser(selection.plan.balancing, able, known, this.#chooser, { spare: ready });
      this.#chooser = chooser;
      if (able.some(({ ramping }) => ramping) && this.#ramp === undefined) {
        this.#ramp = this.#clock.after(RAMP_STEP, () => {
          this.#ramp = undefined;
          this.#publish();
        });
      }
      this.#update(READY, new ChooserPicker(chooser, selection.service, known), null);
    } else if (known.length === 0) this.#fail(this.#note);
    else if (known.some(({ pending }) => pending)) {
      this.#update(CONNECTING, new QueuePicker(this), null);
    } else this.#fail(this.#whyNone(known, selection.service));
  }

  #whyNone(known: readonly Backend[], service: string): string {
    const all = `none of the ${known.length} instances of ${service}`;
    const connected = known.filter(({ state }) => state === READY).length;
    if (connected === 0) return `${all} could be reached: ${this.#lastError}`;
    const unhealthy = 'as its health service has not said that it does';
    if (connected === known.length) return `${all} serves, ${unhealthy}`;
    return `${all} takes calls: ${connected} not, ${unhealthy}, and the others could not be reached: ${this.#lastError}`;
  }

  /** `pick_first` keeps one connection, all others connect to everybody. */
  #keepConnected(known: readonly Backend[], { plan: { balancing } }: Selection): void {
    this.#updating = true;
    if (balancing.policy === 'pick_first') {
      const again = connectFirst(known, balancing);
      if (again !== undefined) this.#later(again);
    } else {
      for (const backend of known) if (backend.state === IDLE) backend.connect();
    }
    this.#updating = false;
  }

  #fail(details: string): void {
    this.#update(TRANSIENT_FAILURE, new UnavailablePicker({ code: status.UNAVAILABLE, details }), details);
  }

  #update(state: connectivityState, picker: Picker, error: string | null): void {
    this.#current = state;
    this.#helper.updateState(state, picker, error);
  }
}
