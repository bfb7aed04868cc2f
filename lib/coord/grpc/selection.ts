import type { ServiceInstance } from '../registry/service-instance.js';
import type { ChannelView } from './channel-view.js';
import type { ClientPlan } from './coord-grpc.options.js';
import { PRIVATE_OPTION } from './grpc-experimental.js';

/** What the resolver tells the balancer beyond addresses, as an attribute of the resolution. */
export interface Selection {
  readonly service: string;
  readonly plan: ClientPlan;
  /** One instance an address, by `host:port`. */
  readonly instances: ReadonlyMap<string, ServiceInstance>;
  /** This instance could not be connected to. */
  readonly unreachable: (instance: ServiceInstance) => void;
  /** Where the balancer shows itself to those who ask why. */
  readonly channel: ChannelView;
}

export const SELECTION = `${PRIVATE_OPTION}.selection`;
