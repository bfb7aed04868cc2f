import type { Clock } from '../etcd/clock.js';
import { isDraining } from './instance-traits.js';
import type { ServiceInstance } from './service-instance.js';

/** One instance came (`current` alone), changed (both) or went (`previous` alone). */
export interface InstanceChange {
  readonly id: string;
  readonly previous: ServiceInstance | undefined;
  readonly current: ServiceInstance | undefined;
}

export interface LossGuardOptions {
  /** Fewer than this share of the last good set is not believed at once. @default 0.5 */
  readonly share?: number;
  /** How long a loss counts towards the last good set, in ms. @default 60_000 */
  readonly window?: number;
}

/**
 * Never empty by accident: a registry that loses everything at once (an outage that outlives the leases, a wiped data
 * directory) says more about the registry than about the services.
 *
 * An instance that goes without a drain mark is a *suspect*. While fewer than `max(1, share × last good set)` instances
 * are left, the suspects of the window stay among the members, until they are back, the rest suffices again, or somebody
 * who tried says that nobody answers there ({@link confirmLost}). The last good set is what is there now and the suspects.
 * (Envoy calls the like a panic threshold, Eureka self-preservation.)
 */
export class LossGuard {
  readonly #share: number;
  readonly #window: number;
  readonly #clock: Clock;
  readonly #present = new Map<string, ServiceInstance>();
  readonly #suspects = new Map<string, { readonly instance: ServiceInstance; readonly at: number }>();
  #members: Map<string, ServiceInstance> = new Map();
  #holding = false;

  constructor(clock: Clock, { share = 0.5, window = 60_000 }: LossGuardOptions = {}) {
    this.#clock = clock;
    this.#share = share;
    this.#window = window;
  }

  /** Whom to call: those present, and while the guard holds also the suspects. Live: it changes with the guard. */
  get members(): ReadonlyMap<string, ServiceInstance> {
    return this.#members;
  }

  /** Whether losses are withheld just now. */
  get holding(): boolean {
    return this.#holding;
  }

  /** Whether the registry itself lists this instance. */
  isPresent(id: string): boolean {
    return this.#present.has(id);
  }

  /** Takes what the registry says; returns what changed for those who call. */
  apply(changes: readonly InstanceChange[]): InstanceChange[] {
    const touched = new Set<string>();
    const now = this.#clock.now();
    for (const { id, current } of changes) {
      touched.add(id);
      const instance = this.#present.get(id);
      if (current !== undefined) {
        this.#present.set(id, current);
        this.#suspects.delete(id);
      } else if (instance !== undefined) {
        this.#present.delete(id);
        if (!isDraining(instance)) this.#suspects.set(id, { instance, at: now });
      }
    }
    return this.#settle(touched, now);
  }

  /** Takes the members of an earlier run, not yet confirmed by the registry. */
  seed(instances: readonly ServiceInstance[]): InstanceChange[] {
    const touched = new Set<string>();
    const now = this.#clock.now();
    for (const instance of instances) {
      if (this.#present.has(instance.id)) continue;
      this.#suspects.set(instance.id, { instance, at: now });
      touched.add(instance.id);
    }
    return this.#settle(touched, now);
  }

  /** Somebody tried to reach this instance in vain: if it is a suspect, it is lost for good. */
  confirmLost(id: string): InstanceChange[] {
    if (!this.#suspects.delete(id)) return [];
    return this.#settle(new Set([id]), this.#clock.now());
  }

  #settle(touched: Set<string>, now: number): InstanceChange[] {
    const held = this.#holding;
    this.#holding = this.#mustHold();
    if (!this.#holding) {
      for (const [id, suspect] of this.#suspects) {
        if (held) touched.add(id);
        if (now - suspect.at >= this.#window) this.#suspects.delete(id);
      }
    } else if (!held) {
      for (const [id, suspect] of this.#suspects) {
        if (now - suspect.at >= this.#window) this.#suspects.delete(id);
        else touched.add(id);
      }
      this.#holding = this.#mustHold();
    }
    const changes: InstanceChange[] = [];
    for (const id of touched) {
      const change = this.#update(id);
      if (change !== undefined) changes.push(change);
    }
    return changes;
  }

  #mustHold(): boolean {
    const lastGood = this.#present.size + this.#suspects.size;
    return this.#suspects.size > 0 && this.#present.size < Math.max(1, this.#share * lastGood);
  }

  #update(id: string): InstanceChange | undefined {
    const previous = this.#members.get(id);
    const suspect = this.#holding ? this.#suspects.get(id)?.instance : undefined;
    const current = this.#present.get(id) ?? suspect;
    if (previous === current) return undefined;
    if (current === undefined) this.#members.delete(id);
    else this.#members.set(id, current);
    return { id, previous, current };
  }
}
