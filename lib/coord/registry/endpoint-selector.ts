import { highest } from './balancing/highest.js';
import { Subset } from './balancing/subset.js';
import { addressOf, isDraining, weightOf, zoneOf } from './instance-traits.js';
import type { InstanceChange } from './loss-guard.js';
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

/** What a selection goes by, worked out once for each instance: of ten thousand, one changes at a time. */
interface Facts {
  readonly instance: ServiceInstance;
  /** Why it is never selected. */
  readonly refused: string | undefined;
  readonly draining: boolean;
  readonly address: string;
  readonly score: number;
  readonly near: boolean;
}

/** So many instances with one address are put up with before a subset is drawn the slow way. */
const TWINS = 8;

/** A selection, and what would have to happen to change it. */
interface Drawn {
  readonly instances: readonly ServiceInstance[];
  readonly ids: ReadonlySet<string>;
  /** In a plain selection an instance that scores less changes nothing. */
  readonly lowest: number;
  /** The best of more than enough who serve, by nothing but their scores. */
  readonly plain: boolean;
}

/**
 * Whom one client connects to: those that pass its filter and want calls, the draining ones only if there is nobody else,
 * one for each address, and of these a subset if it asked for one.
 */
export class EndpointSelector {
  readonly #options: EndpointSelectorOptions;
  readonly #facts = new Map<string, Facts>();
  readonly #subset: Subset;
  #drawn: Drawn | undefined;
  #filterThrew = false;

  constructor(options: EndpointSelectorOptions) {
    this.#options = options;
    this.#subset = new Subset(options.client);
  }

  /** Takes everybody and draws. */
  select(roster: Members): readonly ServiceInstance[] {
    this.takeAll(roster);
    return this.draw(roster);
  }

  /** Looks at every member; those that it has seen cost little. */
  takeAll({ members }: Members): void {
    for (const id of this.#facts.keys()) if (!members.has(id)) this.#facts.delete(id);
    for (const instance of members.values()) this.#factsOf(instance);
    this.#drawn = undefined;
  }

  /** Takes what happened to the members since; of ten thousand, one that changes costs no more than of ten. */
  take(changes: readonly InstanceChange[]): void {
    for (const { id, current } of changes) {
      if (current === undefined) this.#facts.delete(id);
      const facts = current === undefined ? undefined : this.#factsOf(current);
      if (this.#drawn !== undefined && this.#matters(this.#drawn, id, facts)) this.#drawn = undefined;
    }
  }

  /** The selection from what was taken. The same array as before while nothing in it has changed. */
  draw(roster: Members): readonly ServiceInstance[] {
    if (!this.#drawn?.plain) this.#drawn = this.#drawAnew(roster);
    return this.#drawn.instances;
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
    const { refused, draining } = this.#factsOf(instance);
    if (refused !== undefined) return refused;
    if (draining) return 'it is draining';
    const { subsetSize } = this.#options;
    return subsetSize === undefined
      ? 'another instance has its address'
      : `it is not in the client's subset of ${subsetSize}, or another instance has its address`;
  }

  #matters(drawn: Drawn, id: string, facts: Facts | undefined): boolean {
    if (drawn.ids.has(id)) return true;
    if (facts === undefined || facts.refused !== undefined || facts.draining) return false;
    return facts.score >= drawn.lowest;
  }

  #factsOf(instance: ServiceInstance): Facts {
    const known = this.#facts.get(instance.id);
    if (known?.instance === instance) return known;
    const address = addressOf(instance);
    const facts = {
      instance,
      address,
      refused: this.#whyRefused(instance),
      draining: isDraining(instance),
      score: this.#subset.score(address),
      near: zoneOf(instance) === this.#options.zone,
    };
    this.#facts.set(instance.id, facts);
    return facts;
  }

  #whyRefused(instance: ServiceInstance): string | undefined {
    if (weightOf(instance) === 0) return 'its weight is 0';
    const { filter, onFilterError } = this.#options;
    try {
      return filter === undefined || filter(instance) ? undefined : "the client's filter leaves it out";
    } catch (error) {
      if (!this.#filterThrew) onFilterError(error);
      this.#filterThrew = true;
      return "the client's filter leaves it out: it threw";
    }
  }

  #drawAnew(roster: Members): Drawn {
    const passed: Facts[] = [];
    let serving = 0;
    for (const facts of this.#facts.values()) {
      if (facts.refused !== undefined) continue;
      passed.push(facts);
      if (!facts.draining) serving++;
    }
    const mixed = serving > 0 && serving < passed.length;
    const wanted = mixed ? passed.filter(({ draining }) => !draining) : passed;
    const { subsetSize = Infinity, zone } = this.#options;
    const drawn = this.#choose(wanted, roster);
    return {
      instances: drawn.map(({ instance }) => instance),
      ids: new Set(drawn.map(({ instance }) => instance.id)),
      lowest: Math.min(...drawn.map(scoreOf)),
      plain: serving > subsetSize + TWINS && zone === undefined,
    };
  }

  #choose(wanted: readonly Facts[], roster: Members): readonly Facts[] {
    const { zone, ranked = false, subsetSize = Infinity } = this.#options;
    if (wanted.length <= subsetSize) {
      const all = onePerAddress(wanted, roster);
      return ranked ? highest(all, all.length, scoreOf) : all;
    }
    if (zone === undefined) return top(wanted, subsetSize, roster);
    const near = wanted.filter((facts) => facts.near);
    const far = wanted.filter((facts) => !facts.near);
    // A quarter is elsewhere: the day the zone dies there is somebody connected already. Of one connection none is.
    const spare = Math.min(Math.ceil(subsetSize / 4), subsetSize - 1);
    const reserve = Math.min(far.length, Math.max(spare, subsetSize - near.length));
    return [...top(near, subsetSize - reserve, roster), ...top(far, reserve, roster)];
  }
}

function scoreOf({ score }: Facts): number {
  return score;
}

/** Instances with one address have one score and so stand side by side: a few more than asked for are enough. */
function top(wanted: readonly Facts[], size: number, roster: Members): readonly Facts[] {
  const drawn = onePerAddress(highest(wanted, size + TWINS, scoreOf), roster);
  if (drawn.length >= size || wanted.length <= size + TWINS) return drawn.slice(0, size);
  return highest(onePerAddress(wanted, roster), size, scoreOf);
}

/**
 * A process that came back at its old address under a new id is there twice until its old lease ends. The one that the
 * registry lists wins, then the later one.
 */
function onePerAddress(wanted: readonly Facts[], roster: Members): readonly Facts[] {
  const byAddress = new Map<string, Facts>();
  for (const facts of wanted) {
    const other = byAddress.get(facts.address);
    if (other === undefined || roster.isPresent(facts.instance.id) || !roster.isPresent(other.instance.id)) {
      byAddress.set(facts.address, facts);
    }
  }
  return byAddress.size === wanted.length ? wanted : [...byAddress.values()];
}
