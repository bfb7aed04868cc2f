import { status } from '@grpc/grpc-js';
import { steadyShare } from '../registry/balancing/steady-share.js';
import { EndpointSelector } from '../registry/endpoint-selector.js';
import { addressOf } from '../registry/instance-traits.js';
import type { DirectoryHandle } from '../registry/service-directories.js';
import type { ServiceInstance } from '../registry/service-instance.js';
import { ChannelView } from './channel-view.js';
import type { ClientPlan } from './coord-grpc.options.js';
import type { ClientBinding } from './coord-resolver.js';
import {
  type Endpoint,
  type ResolverListener,
  statusOrFromError,
  statusOrFromValue,
} from './grpc-experimental.js';
import { type LiveRegistry, findRegistry, isLive, onRegistries } from './registry-table.js';
import { SELECTION, type Selection } from './selection.js';
import { BALANCER_NAME } from './balancer-config.js';

/**
 * One run of a resolver, from being asked until it is destroyed. It answers within `resolveTimeout` whatever happens: with
 * endpoints, or with the reason why there are none; later changes follow by themselves.
 */
export class Resolution {
  readonly #service: string;
  readonly #binding: ClientBinding;
  readonly #listener: ResolverListener;
  readonly #limit: NodeJS.Timeout;
  readonly #stopFollowing: () => void;
  #registry: LiveRegistry | undefined;
  #handle: DirectoryHandle | undefined;
  #selector: EndpointSelector | undefined;
  #plan: ClientPlan;
  #view: ChannelView | undefined;
  #unsubscribe: (() => void) | undefined;
  #last: readonly ServiceInstance[] | undefined;
  #queued = false;
  #ended = false;

  constructor(service: string, binding: ClientBinding, listener: ResolverListener) {
    this.#service = service;
    this.#binding = binding;
    this.#listener = listener;
    this.#plan = binding.plan;
    this.#limit = setTimeout(() => this.#giveUp(), binding.plan.resolveTimeout).unref();
    this.#stopFollowing = onRegistries(() => this.#attach());
    this.#attach();
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#limit);
    this.#stopFollowing();
    this.#detach();
  }

  /** Follows the registry to use, if there is one now. The last result stays while there is none. */
  #attach(): void {
    if (this.#ended) return;
    const { plan, registry: bound } = this.#binding;
    // It does not come back: there is nothing to wait for.
    if (bound !== undefined && !isLive(bound)) return void setImmediate(() => this.#giveUp());
    const found = bound ?? findRegistry(plan.registry);
    if (typeof found === 'string' || found === this.#registry || this.#isStillThere()) return;
    this.#detach();
    try {
      this.#handle = found.open(this.#service);
    } catch {
      return; // it is closing: what it said last stays
    }
    this.#registry = found;
    this.#plan = this.#steady(found);
    this.#selector ??= new EndpointSelector({
      client: `${found.client}/${this.#service}`,
      filter: plan.filter,
      zone: plan.balancing.zone,
      subsetSize: plan.subsetSize,
      ranked: plan.balancing.policy === 'pick_first',
      onFilterError: (error) =>
        found.logger.error('the filter of a client threw: the instance is left out', {
          service: this.#service,
          err: error,
        }),
    });
    const { roster } = this.#handle;
    this.#view = new ChannelView(this.#service, roster, this.#selector);
    const forget = found.show(this.#view);
    const selector = this.#selector;
    selector.takeAll(roster);
    // At once: a long list comes in parts, and so does the work that it makes.
    const unsubscribe = roster.subscribe((changes) => {
      selector.take(changes);
      this.#emitSoon();
    });
    this.#unsubscribe = () => {
      unsubscribe();
      forget();
    };
    this.#emitSoon();
  }

  /** The registry in use goes on to serve: others that come do not take its place. */
  #isStillThere(): boolean {
    return this.#registry !== undefined && isLive(this.#registry);
  }

  #detach(): void {
    this.#unsubscribe?.();
    this.#handle?.close();
    this.#unsubscribe = undefined;
    this.#handle = undefined;
    this.#registry = undefined;
  }

  /** Never from within grpc-js' own call, and once for all changes of a tick. */
  #emitSoon(): void {
    if (this.#queued) return;
    this.#queued = true;
    setImmediate(() => {
      this.#queued = false;
      if (!this.#ended) this.#emit();
    });
  }

  #emit(): void {
    const roster = this.#handle?.roster;
    const selector = this.#selector;
    if (roster === undefined || selector === undefined || !roster.known) return;
    const instances = selector.draw(roster);
    if (this.#last !== undefined && isSame(this.#last, instances)) return;
    this.#last = instances;
    clearTimeout(this.#limit);
    if (instances.length === 0) this.#tellNone(this.#whyNone(roster.members.size));
    else this.#tell(instances, '');
  }

  /** The share of a canary is the application's code, and it is asked where nobody can catch what it throws. */
  #steady({ logger }: LiveRegistry): ClientPlan {
    const { plan } = this.#binding;
    const { canary } = plan.balancing;
    if (canary === undefined) return plan;
    const share = steadyShare(canary.share, (error) =>
      logger.error("the share of a client's canary is not a number from 0 to 1: the last good one counts", {
        service: this.#service,
        version: canary.version,
        err: error,
      }),
    );
    return { ...plan, balancing: { ...plan.balancing, canary: { ...canary, share } } };
  }

  #tell(instances: readonly ServiceInstance[], note: string): void {
    const plan = this.#plan;
    const [roster, channel] = [this.#handle?.roster, this.#view];
    if (channel === undefined) return;
    const selection: Selection = {
      service: this.#service,
      plan,
      channel,
      instances: new Map(instances.map((instance) => [addressOf(instance), instance])),
      unreachable: ({ id }) => void roster?.doubt(id),
    };
    const endpoints = instances.map(({ address, port }): Endpoint => ({
      addresses: [{ host: address, port }],
    }));
    const config = statusOrFromValue(plan.serviceConfig);
    this.#listener(statusOrFromValue(endpoints), { [SELECTION]: selection }, config, note);
  }

  /** grpc-js' own policies hang on an empty list, ours does not; and ours must forget those it knew. */
  #tellNone(reason: string): void {
    const { serviceConfig } = this.#binding.plan;
    const ours = serviceConfig.loadBalancingConfig.some((policy) => BALANCER_NAME in policy);
    if (ours) this.#tell([], reason);
    else this.#refuse(reason);
  }

  #refuse(details: string): void {
    const { serviceConfig } = this.#binding.plan;
    this.#listener(
      statusOrFromError({ code: status.UNAVAILABLE, details }),
      {},
      statusOrFromValue(serviceConfig),
      details,
    );
  }

  #giveUp(): void {
    if (this.#ended || this.#last !== undefined) return;
    this.#refuse(`coord:///${this.#service}: ${this.#whySilent()}`);
  }

  #whySilent(): string {
    const { plan, registry } = this.#binding;
    const found = registry ?? findRegistry(plan.registry);
    if (typeof found === 'string') return found;
    if (!isLive(found)) return 'the registry that made this client is closed';
    return `etcd (${found.source}) did not say within ${plan.resolveTimeout} ms who serves it`;
  }

  #whyNone(members: number): string {
    if (members > 0) return `none of the ${members} instances of ${this.#service} passes the client's filter`;
    const hint = this.#handle?.directory.hint ?? '';
    return `no instance of ${this.#service} is registered in etcd (${this.#registry?.source})${hint}`;
  }
}

function isSame(a: readonly ServiceInstance[], b: readonly ServiceInstance[]): boolean {
  return a.length === b.length && a.every((instance, index) => instance === b[index]);
}
