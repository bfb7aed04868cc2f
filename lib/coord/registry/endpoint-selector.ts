import { Subset } from './balancing/subset.js';
import { addressOf, isDraining, weightOf, zoneOf } from './instance-traits.js';
import type { ServiceInstance } from './service-instance.js';

export interface EndpointSelectorOptions {
  /** Tells this client apart from others when a subset is drawn. */
  readonly client: string;
  readonly filter: ((instance: ServiceInstance) => boolean) | undefined;
  readonly zone: string | undefined;
  readonly subsetSize: number | undefined;
  /** Each client in an order of its own, for policies that begin at the front. @default false */
  readonly ranked?: boolean;
  /** Called the first time that the filter throws. */
  readonly onFilterError: (error: unknown) => void;
}

/** The part of a roster that a selection reads. */
export interface Members {
  readonly members: ReadonlyMap<string, ServiceInstance>;
  isPresent(id: string): boolean;
}

/**
 * Whom one client connects to: those that pass its filter and want calls, the draining ones only if there is nobody else,
 * one for each address, and of these a subset if it asked for one.
 */
export class EndpointSelector {
  readonly #options: EndpointSelectorOptions;
  readonly #verdicts = new WeakMap<ServiceInstance, boolean>();
  readonly #subset: Subset;
  #filterThrew = false;

  constructor(options: EndpointSelectorOptions) {
    this.#options = options;
    this.#subset = new Subset(options.client);
  }

  select(roster: Members): readonly ServiceInstance[] {
    const passed = [...roster.members.values()].filter((instance) => this.#passes(instance));
    const serving = passed.filter((instance) => !isDraining(instance));
    return this.#draw(onePerAddress(serving.length > 0 ? serving : passed, roster));
  }

  /** Why each member is or is not among the selected. */
  explain(roster: Members): { readonly instance: ServiceInstance; readonly excluded: string | undefined }[] {
    const selected = new Set(this.select(roster));
    return [...roster.members.values()].map((instance) => ({
      instance,
      excluded: selected.has(instance) ? undefined : this.#whyNot(instance),
    }));
  }

  #whyNot(instance: ServiceInstance): string {
    if (weightOf(instance) === 0) return 'its weight is 0';
    if (!this.#passesFilter(instance)) return "the client's filter leaves it out";
    if (isDraining(instance)) return 'it is draining';
    const { subsetSize } = this.#options;
    return subsetSize === undefined
      ? 'another instance has its address'
      : `it is not in the client's subset of ${subsetSize}, or another instance has its address`;
  }

  #passes(instance: ServiceInstance): boolean {
    return weightOf(instance) > 0 && this.#passesFilter(instance);
  }

  #passesFilter(instance: ServiceInstance): boolean {
    const { filter } = this.#options;
    if (filter === undefined) return true;
    let verdict = this.#verdicts.get(instance);
    if (verdict === undefined) {
      verdict = this.#ask(filter, instance);
      this.#verdicts.set(instance, verdict);
    }
    return verdict;
  }

  #ask(filter: (instance: ServiceInstance) => boolean, instance: ServiceInstance): boolean {
    try {
      return filter(instance);
    } catch (error) {
      if (!this.#filterThrew) this.#options.onFilterError(error);
      this.#filterThrew = true;
      return false;
    }
  }

  #draw(instances: readonly ServiceInstance[]): readonly ServiceInstance[] {
    const { zone, ranked = false, subsetSize = Infinity } = this.#options;
    const draw = (among: readonly ServiceInstance[], size: number): readonly ServiceInstance[] =>
      this.#subset.draw(among, size, addressOf);
    if (instances.length <= subsetSize) return ranked ? draw(instances, instances.length) : instances;
    if (zone === undefined) return draw(instances, subsetSize);
    const near = instances.filter((instance) => zoneOf(instance) === zone);
    const far = instances.filter((instance) => zoneOf(instance) !== zone);
    // A quarter is elsewhere: the day the zone dies there is somebody connected already.
    const reserve = Math.min(far.length, Math.max(Math.ceil(subsetSize / 4), subsetSize - near.length));
    return [...draw(near, subsetSize - reserve), ...draw(far, reserve)];
  }
}

/**
 * A process that came back at its old address under a new id is there twice until its old lease ends. The one that the
 * registry lists wins, then the later one.
 */
function onePerAddress(instances: readonly ServiceInstance[], roster: Members): readonly ServiceInstance[] {
  const byAddress = new Map<string, ServiceInstance>();
  for (const instance of instances) {
    const address = addressOf(instance);
    const other = byAddress.get(address);
    if (other === undefined || roster.isPresent(instance.id) || !roster.isPresent(other.id)) {
      byAddress.set(address, instance);
    }
  }
  return byAddress.size === instances.length ? instances : [...byAddress.values()];
}
