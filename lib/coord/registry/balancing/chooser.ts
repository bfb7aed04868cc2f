import { versionOf, zoneOf } from '../instance-traits.js';
import type { BalancingPlan } from './balancing-plan.js';
import type { CallHeaders, Candidate } from './candidate.js';
import { type Choice, createChoice } from './choice.js';

/**
 * A zone is spared calls only when it has lost more than a third of its instances: 1.4 × the part that is up is the part of
 * the calls that stays in the zone (the overprovisioning factor of Envoy's priority levels).
 */
const OVERPROVISIONING = 1.4;

export interface ChooserDeps<C> {
  /** Those that can take a call but better would not: for a version that nobody else has. */
  readonly spare?: readonly C[];
  readonly random?: () => number;
}

/** Where the rotations of a pool stand. */
interface Turns {
  readonly near: number;
  readonly far: number;
}

const FROM_START: Turns = { near: 0, far: 0 };

interface Pool<C> {
  readonly candidates: readonly C[];
  readonly near: Choice<C>;
  readonly far: Choice<C> | undefined;
  /** The part of the calls that stays near. */
  readonly stay: number;
}

/** What happened to the candidates on the way to a choice, for people who ask why. */
export interface ChoiceStep {
  readonly filter: 'version' | 'canary' | 'zone' | 'policy';
  readonly reason: string;
  readonly left: number;
}

/**
 * Chooses an instance for each call from those that can take one. A filter that would leave nobody is skipped, except a
 * version that the call itself asked for. Made anew when the candidates change; it takes over the turns of the one before.
 */
export class Chooser<C extends Candidate> {
  readonly #plan: BalancingPlan;
  readonly #ready: readonly C[];
  readonly #spare: readonly C[];
  readonly #zoneSize: number;
  readonly #random: () => number;
  readonly #turns: ReadonlyMap<string, Turns>;
  readonly #versions: ReadonlySet<string | undefined>;
  readonly #pools = new Map<string, Pool<C>>();
  readonly #everybody: Pool<C>;

  /**
   * @param ready those that can take a call now
   * @param known all that are known, ready or not: the measure of a zone's health
   */
  constructor(
    plan: BalancingPlan,
    ready: readonly C[],
    known: readonly C[],
    before?: Chooser<C>,
    { spare = [], random = Math.random }: ChooserDeps<C> = {},
  ) {
    this.#plan = plan;
    this.#ready = ready;
    this.#spare = spare;
    this.#random = random;
    this.#zoneSize =
      plan.zone === undefined ? 0 : known.filter(({ instance }) => zoneOf(instance) === plan.zone).length;
    const begin = { near: Math.floor(random() * ready.length), far: 0 };
    this.#turns = before?.turns ?? new Map([['*', begin]]);
    this.#versions = new Set(this.#isRouted ? known.map(({ instance }) => versionOf(instance)) : []);
    this.#everybody = this.#pool('*', ready);
  }

  /** Where each rotation stands; those of versions that are gone are forgotten. */
  get turns(): ReadonlyMap<string, Turns> {
    const turns = new Map<string, Turns>();
    for (const [name, before] of this.#turns) {
      if (!name.startsWith('=') || this.#versions.has(name.slice(1))) turns.set(name, before);
    }
    for (const [name, { near, far }] of this.#pools) {
      turns.set(name, { near: near.turn, far: far?.turn ?? turns.get(name)?.far ?? 0 });
    }
    return turns;
  }

  /** The instance for a call; `undefined` if nobody is ready, or none of the version that the call asks for. */
  choose(headers: CallHeaders): C | undefined {
    const pool = this.#route(headers);
    if (pool === undefined) return undefined;
    const { hashHeader } = this.#plan;
    const key = hashHeader === undefined ? undefined : headers.get(hashHeader);
    const far = pool.far !== undefined && (pool.stay === 0 || (pool.stay < 1 && this.#random() >= pool.stay));
    return (far ? pool.far : pool.near)?.next(key);
  }

  /** The version that a call with these headers asks for. */
  wanted(headers: CallHeaders): string | undefined {
    const { versionHeader } = this.#plan;
    return versionHeader === undefined ? undefined : headers.get(versionHeader);
  }

  /** How a call with these headers would be routed, step by step. The draw of a canary or a zone is made once. */
  explain(headers: CallHeaders): { readonly chosen: C | undefined; readonly steps: readonly ChoiceStep[] } {
    const steps: ChoiceStep[] = [];
    const pool = this.#route(headers, steps);
    if (pool === undefined) return { chosen: undefined, steps };
    const { zone, policy, hashHeader } = this.#plan;
    if (zone !== undefined) steps.push({ filter: 'zone', ...describeZone(zone, pool) });
    const key = hashHeader === undefined ? undefined : headers.get(hashHeader);
    const reason = key === undefined ? policy : `${policy} by ${hashHeader}: ${key}`;
    steps.push({ filter: 'policy', reason, left: 1 });
    const { turn } = pool.near;
    const preview = createChoice(policy, candidatesNear(pool, zone), turn, this.#random);
    return { chosen: preview.next(key), steps };
  }

  #route(headers: CallHeaders, steps?: ChoiceStep[]): Pool<C> | undefined {
    const { canary } = this.#plan;
    const wanted = this.wanted(headers);
    if (wanted !== undefined) {
      const pool = this.#poolOf(wanted);
      const left = pool?.candidates.length ?? 0;
      steps?.push({ filter: 'version', reason: `the call asks for version ${wanted}`, left });
      return left > 0 ? pool : undefined;
    }
    if (canary === undefined) return this.#everybody;
    const hit = this.#random() < canary.share();
    const pool = hit ? this.#poolOf(canary.version) : this.#poolWithout(canary.version);
    const left = pool?.candidates.length ?? 0;
    const which = hit ? 'drawn for the canary' : 'not drawn for the canary';
    steps?.push({
      filter: 'canary',
      reason: `${which} ${canary.version}${left === 0 ? ', but nobody else is ready' : ''}`,
      left: left === 0 ? this.#ready.length : left,
    });
    return left > 0 ? pool : this.#everybody;
  }

  get #isRouted(): boolean {
    return this.#plan.versionHeader !== undefined || this.#plan.canary !== undefined;
  }

  /** `undefined` for a version that nobody has: callers name what they like, and that must leave nothing behind. */
  #poolOf(version: string): Pool<C> | undefined {
    const pool = this.#pools.get(`=${version}`);
    if (pool !== undefined || !this.#versions.has(version)) return pool;
    const has = ({ instance }: C): boolean => versionOf(instance) === version;
    const well = this.#ready.filter(has);
    return this.#pool(`=${version}`, well.length > 0 ? well : this.#spare.filter(has));
  }

  #poolWithout(version: string): Pool<C> {
    return (
      this.#pools.get('!') ??
      this.#pool(
        '!',
        this.#ready.filter(({ instance }) => versionOf(instance) !== version),
      )
    );
  }

  #pool(name: string, candidates: readonly C[]): Pool<C> {
    const { policy, zone } = this.#plan;
    const turns = this.#turns.get(name) ?? FROM_START;
    const choice = (turn: number, among: readonly C[]): Choice<C> =>
      createChoice(policy, among, turn, this.#random);
    const near = candidates.filter(({ instance }) => zone === undefined || zoneOf(instance) === zone);
    const far = zone === undefined ? [] : candidates.filter(({ instance }) => zoneOf(instance) !== zone);
    const health = this.#zoneSize === 0 ? 0 : near.length / this.#zoneSize;
    const pool: Pool<C> = {
      candidates,
      near: choice(turns.near, near),
      far: far.length === 0 ? undefined : choice(turns.far, far),
      // Without a far side everything stays; a version pool is judged by whether it has anybody near at all.
      stay: name === '*' ? Math.min(1, OVERPROVISIONING * health) : Number(near.length > 0),
    };
    this.#pools.set(name, pool);
    return pool;
  }
}

function candidatesNear<C extends Candidate>(pool: Pool<C>, zone: string | undefined): readonly C[] {
  if (zone === undefined) return pool.candidates;
  const near = pool.candidates.filter(({ instance }) => zoneOf(instance) === zone);
  return near.length > 0 ? near : pool.candidates;
}

function describeZone<C extends Candidate>(
  zone: string,
  pool: Pool<C>,
): { readonly reason: string; readonly left: number } {
  const near = pool.candidates.filter(({ instance }) => zoneOf(instance) === zone).length;
  if (near === 0)
    return {
      reason: `nobody is ready in zone ${zone}: the others take the calls`,
      left: pool.candidates.length,
    };
  if (pool.stay >= 1 || pool.far === undefined) return { reason: `zone ${zone}`, left: near };
  const percent = Math.round(pool.stay * 100);
  return { reason: `zone ${zone} has lost too many: ${percent} % of the calls stay`, left: near };
}
