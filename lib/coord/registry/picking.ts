import { NoInstanceError } from '../../errors/no-instance.error.js';
import { ValidationError } from '../../errors/validation.error.js';
import { checkName, checkOneOf, checkString } from '../../options/check.js';
import { type Clock, systemClock } from '../etcd/clock.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import type { LoadBalancingPolicy } from './balancing/balancing-plan.js';
import { type CallHeaders, type Candidate } from './balancing/candidate.js';
import { Chooser } from './balancing/chooser.js';
import { EndpointSelector } from './endpoint-selector.js';
import type { ServiceExplanation } from './service-explanation.js';
import { weightOf } from './instance-traits.js';
import type { DirectoryHandle, ServiceDirectories } from './service-directories.js';
import type { ServiceInstance } from './service-instance.js';

/** Policies that need to hear how a call went work in gRPC clients only. */
const PICK_POLICIES = ['round_robin', 'pick_first', 'consistent_hash'] as const;

export type PickPolicy = (typeof PICK_POLICIES)[number];

export interface PickOptions extends CallOptions {
  /** @default 'round_robin' */
  readonly loadBalancing?: PickPolicy;
  /** With `consistent_hash`: picks with the same key get the same instance. */
  readonly key?: string;
  /** The zone to prefer. */
  readonly zone?: string;
  /** Only instances of this `metadata.version`. */
  readonly version?: string;
}

/** What nobody has picked from for this long is let go of, in ms. */
const IDLE = 60_000;

/** How instances are chosen for one kind of pick. */
interface Chosen {
  readonly policy: LoadBalancingPolicy;
  readonly zone: string | undefined;
  chooser: Chooser<Candidate>;
  used: boolean;
}

interface Open {
  readonly handle: DirectoryHandle;
  readonly selector: EndpointSelector;
  readonly kinds: Map<string, Chosen>;
  readonly unsubscribe: () => void;
  used: boolean;
  /** How many wait until its instances are known. */
  waiting: number;
}

const KEY = 'key';
const VERSION = 'version';

/** Picks single instances for callers that make their own connections: HTTP, TCP, whatever. */
export class Picking {
  readonly #directories: ServiceDirectories;
  readonly #client: string;
  readonly #clock: Clock;
  readonly #open = new Map<string, Open>();
  #cancelSweep: (() => void) | undefined;

  /** @param client tells this process apart from others, so that not all begin with the same instance. */
  constructor(directories: ServiceDirectories, client: string, clock: Clock = systemClock) {
    this.#directories = directories;
    this.#client = client;
    this.#clock = clock;
  }

  async pick(name: string, policy: PickPolicy | PickOptions = {}): Promise<ServiceInstance> {
    const options = resolvePick(typeof policy === 'string' ? { loadBalancing: policy } : policy);
    const open = await this.#service(name, options);
    const { loadBalancing = 'round_robin', key, version, zone } = options;
    const { chooser } = this.#kind(open, loadBalancing, zone);
    const given: Record<string, string | undefined> = { [KEY]: key, [VERSION]: version };
    const chosen = chooser.choose({ get: (header) => given[header] });
    if (chosen) return chosen.instance;
    const what = version === undefined ? '' : ` with version ${version}`;
    throw new NoInstanceError(`no instance of ${name}${what} is registered${open.handle.directory.hint}`);
  }

  /** What a pick in turn would choose, and why. */
  async explain(name: string, headers: CallHeaders, options?: CallOptions): Promise<ServiceExplanation> {
    const open = await this.#service(name, options);
    const { chosen, steps } = this.#kind(open, 'round_robin', undefined).chooser.explain(headers);
    const { roster } = open.handle;
    return {
      service: name,
      connected: false,
      holding: roster.holding,
      instances: open.selector.explain(roster),
      steps,
      chosen: chosen?.instance,
    };
  }

  close(): void {
    this.#cancelSweep?.();
    for (const [name, open] of this.#open) this.#end(name, open);
  }

  async #service(name: string, options?: CallOptions): Promise<Open> {
    checkName('name', name);
    const open = this.#open.get(name) ?? this.#start(name);
    open.used = true;
    const { roster } = open.handle;
    if (roster.known) return open;
    open.waiting++;
    try {
      await roster.ready(options);
    } finally {
      open.waiting--;
      open.used = true;
    }
    return open;
  }

  #start(name: string): Open {
    const handle = this.#directories.open(name);
    const kinds = new Map<string, Chosen>();
    const open: Open = {
      handle,
      kinds,
      used: true,
      waiting: 0,
      selector: new EndpointSelector({
        client: `${this.#client}/${name}`,
        filter: undefined,
        zone: undefined,
        subsetSize: undefined,
        ranked: true,
        onFilterError: () => undefined,
      }),
      unsubscribe: handle.roster.subscribe(() => {
        for (const kind of kinds.values()) {
          kind.chooser = this.#chooser(open, kind.policy, kind.zone, kind.chooser);
        }
      }),
    };
    this.#open.set(name, open);
    this.#cancelSweep ??= this.#clock.after(IDLE, () => this.#sweep());
    return open;
  }

  #end(name: string, { handle, unsubscribe }: Open): void {
    unsubscribe();
    handle.close();
    this.#open.delete(name);
  }

  /** Callers may pick by any name and zone: what is not used again must not stay for the life of the process. */
  #sweep(): void {
    for (const [name, open] of this.#open) {
      if (!open.used && open.waiting === 0) this.#end(name, open);
      open.used = false;
      for (const [id, kind] of open.kinds) {
        if (!kind.used) open.kinds.delete(id);
        kind.used = false;
      }
    }
    this.#cancelSweep = this.#open.size === 0 ? undefined : this.#clock.after(IDLE, () => this.#sweep());
  }

  #kind(open: Open, policy: LoadBalancingPolicy, zone: string | undefined): Chosen {
    const id = `${policy}/${zone ?? ''}`;
    let kind = open.kinds.get(id);
    if (kind === undefined) {
      kind = { policy, zone, chooser: this.#chooser(open, policy, zone), used: true };
      open.kinds.set(id, kind);
    }
    kind.used = true;
    return kind;
  }

  #chooser(
    open: Open,
    policy: LoadBalancingPolicy,
    zone: string | undefined,
    before?: Chooser<Candidate>,
  ): Chooser<Candidate> {
    const candidates = open.selector
      .select(open.handle.roster)
      .map((instance): Candidate => ({ instance, weight: () => weightOf(instance), cost: () => 1 }));
    const plan = { policy, zone, hashHeader: KEY, versionHeader: VERSION };
    return new Chooser(plan, candidates, candidates, before);
  }
}

function resolvePick(options: PickOptions): PickOptions {
  if (typeof options !== 'object' || options === null) {
    throw new ValidationError(
      'policy',
      'a policy, or an object { loadBalancing, key, zone, version, signal }',
      options,
    );
  }
  const { loadBalancing, key, zone, version } = options;
  if (loadBalancing !== undefined) checkOneOf('loadBalancing', loadBalancing, PICK_POLICIES);
  if (key !== undefined) checkString('key', key);
  if (zone !== undefined) checkString('zone', zone);
  if (version !== undefined) checkString('version', version);
  if (loadBalancing === 'consistent_hash' && key === undefined) {
    throw new ValidationError('key', "a text, for loadBalancing: 'consistent_hash'", key);
  }
  return options;
}
