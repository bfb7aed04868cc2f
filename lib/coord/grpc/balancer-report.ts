import type { CallHeaders } from '../registry/balancing/candidate.js';
import type { ChoiceStep } from '../registry/balancing/chooser.js';
import type { ServiceInstance } from '../registry/service-instance.js';

/** What a balancer says of its instances. */
export interface BalancerReport {
  /** By id: why it gets no calls; `undefined` if it does. */
  readonly troubles: ReadonlyMap<string, string | undefined>;
  readonly chosen: ServiceInstance | undefined;
  readonly steps: readonly ChoiceStep[];
}

export interface Explains {
  explain(headers: CallHeaders): BalancerReport;
}
