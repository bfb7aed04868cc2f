import type { GrpcUri, Resolver, ResolverListener } from './grpc-experimental.js';
import { PRIVATE_OPTION } from './grpc-experimental.js';
import type { ClientPlan } from './coord-grpc.options.js';
import { resolveCoordGrpc } from './coord-grpc.options.js';
import { serviceOf } from './coord-target.js';
import type { LiveRegistry } from './registry-table.js';
import { Resolution } from './resolution.js';

/** What a client's channel options say to our resolver, under {@link PRIVATE_OPTION}. */
export interface ClientBinding {
  readonly plan: ClientPlan;
  /** The registry that made the options. @default found in the process-wide table */
  readonly registry?: LiveRegistry;
}

/**
 * Resolves `coord:///<service>` for grpc-js by pushing: each change of the directory is one result, and being asked again
 * is none. A channel that has gone idle destroys its resolver and may start it again.
 */
export class CoordResolver implements Resolver {
  readonly #listener: ResolverListener;
  readonly #service: string;
  readonly #binding: ClientBinding;
  #resolution: Resolution | undefined;

  constructor(target: GrpcUri, listener: ResolverListener, channelOptions: Record<string, unknown>) {
    this.#listener = listener;
    this.#service = serviceOf(target);
    const binding = channelOptions[PRIVATE_OPTION] as ClientBinding | undefined;
    this.#binding = binding ?? {
      plan: resolveCoordGrpc(target.authority ? { registry: target.authority } : {}),
    };
  }

  /** Becomes the `:authority` header, and the name that a server certificate must have. */
  static getDefaultAuthority(target: GrpcUri): string {
    return serviceOf(target);
  }

  /** grpc-js calls this whenever a connection is lost; replaying the last result would make it call again, for ever. */
  updateResolution(): void {
    this.#resolution ??= new Resolution(this.#service, this.#binding, this.#listener);
  }

  destroy(): void {
    this.#resolution?.end();
    this.#resolution = undefined;
  }
}
