import type { PlaceRequest } from './place.js';

/** What a task wants to hold. */
export interface QueueRequest extends PlaceRequest {
  /** What it is called in errors, for example `the lock "order:42"`. */
  readonly label: string;
  /** The TTL of the session, in ms. */
  readonly ttl: number;
}
