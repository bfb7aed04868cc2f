import type { LoadBalancingConfig } from './grpc-experimental.js';

/** The name of our policy in a service config; what it does in detail travels in the channel's private option. */
export const BALANCER_NAME = 'im_infra_balancer';

/** The parsed config of our policy. grpc-js makes a new balancer only when the name changes. */
export class BalancerConfig implements LoadBalancingConfig {
  readonly policy: string;

  constructor(policy: string) {
    this.policy = policy;
  }

  static createFromJson(json: unknown): BalancerConfig {
    const { policy } = (json ?? {}) as { readonly policy?: unknown };
    if (typeof policy !== 'string') throw new Error(`${BALANCER_NAME}.policy must be a string`);
    return new BalancerConfig(policy);
  }

  getLoadBalancerName(): string {
    return BALANCER_NAME;
  }

  toJsonObject(): object {
    return { [BALANCER_NAME]: { policy: this.policy } };
  }
}
