import type { ServiceInstance } from '../service-instance.js';

/** An instance that can be chosen, and what is known about it just now. */
export interface Candidate {
  readonly instance: ServiceInstance;
  /** Its share in rotation, slow start included. */
  weight(): number;
  /** What one more call would cost: smaller is better. */
  cost(): number;
}

/** The headers of the call that an instance is chosen for. */
export interface CallHeaders {
  get(name: string): string | undefined;
}

export const NO_HEADERS: CallHeaders = { get: () => undefined };
