/** What a place waits for: how many may be ahead of it in the queue, or, if it is shared, that no exclusive one is. */
export interface Admission {
  /** Held while fewer than this many places are ahead. Not asked when `shared`. */
  readonly limit: number;
  /** Held while only shared places are ahead: a reader. */
  readonly shared: boolean;
}

export const EXCLUSIVE: Admission = { limit: 1, shared: false };
export const SHARED: Admission = { limit: 1, shared: true };

export function permits(limit: number): Admission {
  return { limit, shared: false };
}

/** Whether a place holds with `ahead` places before it, `exclusiveAhead` of them not shared. */
export function admits(admission: Admission, ahead: number, exclusiveAhead: number): boolean {
  return admission.shared ? exclusiveAhead === 0 : ahead < admission.limit;
}
