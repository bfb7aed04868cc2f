export const LOAD_BALANCING_POLICIES = [
  'round_robin',
  'pick_first',
  'least_request',
  'consistent_hash',
] as const;

/**
 * `round_robin`: in turn, by weight. `least_request`: of two drawn at random the one with less to do and the better
 * latency. `pick_first`: one instance, the next only while that one is not well. `consistent_hash`: the same instance for the same
 * value of a header, for as long as it is there.
 */
export type LoadBalancingPolicy = (typeof LOAD_BALANCING_POLICIES)[number];

/** A part of the calls goes to another version. */
export interface CanaryPlan {
  /** `metadata.version` of the canaries. */
  readonly version: string;
  /** The part of the calls they get, 0 to 1; asked for each call, so it must not throw. */
  readonly share: () => number;
}

/** By what the next instance is chosen, in this order: version, canary, zone, policy. */
export interface BalancingPlan {
  readonly policy: LoadBalancingPolicy;
  /** The zone to prefer. */
  readonly zone?: string | undefined;
  /** A call with this header goes only to instances of that version. */
  readonly versionHeader?: string | undefined;
  readonly canary?: CanaryPlan | undefined;
  /** The header that `consistent_hash` goes by; a call without it is balanced in turn. */
  readonly hashHeader?: string | undefined;
}
