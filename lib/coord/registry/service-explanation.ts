import type { ChoiceStep } from './balancing/chooser.js';
import type { ServiceInstance } from './service-instance.js';

/** One instance in an {@link ServiceExplanation}. */
export interface ExplainedInstance {
  readonly instance: ServiceInstance;
  /** Why it gets no calls, in words; `undefined` if it does. */
  readonly excluded: string | undefined;
}

/** Why a call would go where it would go: `registry.explain()`. */
export interface ServiceExplanation {
  readonly service: string;
  /** Whether clients are connected; without, the answer is what a client with default options would do. */
  readonly connected: boolean;
  /** The registry lost most instances at once, and those it does not list are kept. */
  readonly holding: boolean;
  readonly instances: readonly ExplainedInstance[];
  /** What each step of the choice left over. */
  readonly steps: readonly ChoiceStep[];
  readonly chosen: ServiceInstance | undefined;
}
