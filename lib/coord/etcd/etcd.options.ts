import { type Duration, parseDuration } from '../../options/duration.js';
import type { Endpoint } from './endpoint.js';

/** What the connection needs to know, validated and with times in milliseconds. */
export interface EtcdOptions {
  readonly endpoints: readonly Endpoint[];
  readonly username?: string;
  readonly password?: string;
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  /** How long the first connection may take. */
  readonly dialTimeout: number;
  /** The total budget of a call that is given none of its own. */
  readonly requestTimeout: number;
  readonly keepAliveTime: number;
  readonly keepAliveTimeout: number;
  /** A watch stream that was silent for this long is asked for a sign of life. */
  readonly progressInterval: number;
  /** A watch stream that owes a sign of life for this long is cut. */
  readonly progressTimeout: number;
}

export interface CallOptions {
  /** Ends the wait; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** The total budget, over all attempts. @default the connection's `requestTimeout` */
  readonly timeout?: Duration;
}

/** {@link CallOptions} with their budget in ms. */
export interface WaitOptions {
  readonly signal?: AbortSignal;
  readonly timeout?: number;
}

/** A call's budget in ms. Throws a `ValidationError` for what is no duration. */
export function budgetOf({ timeout }: CallOptions, fallback: number): number {
  return timeout === undefined ? fallback : parseDuration('timeout', timeout, { infinite: true });
}

/** The state of the connection, as applications see it in `CoordService.status$`. */
export type CoordStatus = 'connecting' | 'ready' | 'degraded' | 'closed';
