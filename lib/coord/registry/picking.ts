import { NoInstanceError } from '../../errors/no-instance.error.js';
import { ValidationError } from '../../errors/validation.error.js';
import { checkName, checkOneOf, checkString } from '../../options/check.js';
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

interface Open {
  readonly handle: DirectoryHandle;
  readonly selector: EndpointSelector;
  readonly choosers: Map<string, Chooser<Candidate>>;
  readonly unsubscribe: () => void;
}

const KEY = 'key';
const VERSION = 'version';

/** Picks single instances for callers that make their own connections: HTTP, TCP, whatever. */
export class Picking {
  readonly #directories: ServiceDirectories;
  readonly #client: string;
  readonly #open = new Map<string, Open>();

  /** @param client tells this process apart from others, so that not all begin with the same instance. */
  constructor(directories: ServiceDirectories, client: string) {
    this.#directories = directories;
    this.#client = client;
  }

  async pick(name: string, policy: PickPolicy | PickOptions = {}): Promise<ServiceInstance> {
    const options = resolvePick(typeof policy === 'string' ? { loadBalancing: policy } : policy);
    const open = await this.#service(name, options);
    const { loadBalancing = 'round_robin', key, version, zone } = options;
    const id = `${loadBalancing}/${zone ?? ''}`;
    const chooser = open.choosers.get(id) ?? this.#chooser(open, id, loadBalancing, zone);
    const given: Record<string, string | undefined> = { [KEY]: key, [VERSION]: version };
    const chosen = chooser.choose({ get: (header) => given[header] });
    if (chosen) return chosen.instance;
    const what = version === undefined ? '' : ` with version ${version}`;
    throw new NoInstanceError(`no instance of ${name}${what} is registered`);
  }

  /** What a pick in turn would choose, and why. */
  async explain(name: string, headers: CallHeaders, options?: CallOptions): Promise<ServiceExplanation> {
    const open = await this.#service(name, options);
    const chooser =
      open.choosers.get('round_robin/') ?? this.#chooser(open, 'round_robin/', 'round_robin', undefined);
    const { chosen, steps } = chooser.explain(headers);
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
    for (const { handle, unsubscribe } of this.#open.values()) {
      unsubscribe();
      handle.close();
    }
    this.#open.clear();
  }

  async #service(name: string, options?: CallOptions): Promise<Open> {
    checkName('name', name);
    const open = this.#open.get(name) ?? this.#start(name);
    const { roster, directory } = open.handle;
    if (!roster.known) await directory.ready(options);
    return open;
  }

  #start(name: string): Open {
    const handle = this.#directories.open(name);
    const choosers = new Map<string, Chooser<Candidate>>();
    const open: Open = {
      handle,
      choosers,
      selector: new EndpointSelector({
        client: `${this.#client}/${name}`,
        filter: undefined,
        zone: undefined,
        subsetSize: undefined,
        ranked: true,
        onFilterError: () => undefined,
      }),
      unsubscribe: handle.roster.subscribe(() => {
        for (const [id, chooser] of choosers) {
          const [policy, zone] = id.split('/') as [LoadBalancingPolicy, string];
          this.#chooser(open, id, policy, zone || undefined, chooser);
        }
      }),
    };
    this.#open.set(name, open);
    return open;
  }

  #chooser(
    open: Open,
    id: string,
    policy: LoadBalancingPolicy,
    zone: string | undefined,
    before?: Chooser<Candidate>,
  ): Chooser<Candidate> {
    const candidates = open.selector
      .select(open.handle.roster)
      .map((instance): Candidate => ({ instance, weight: () => weightOf(instance), cost: () => 1 }));
    const plan = { policy, zone, hashHeader: KEY, versionHeader: VERSION };
    const chooser = new Chooser(plan, candidates, candidates, before);
    open.choosers.set(id, chooser);
    return chooser;
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
