import { ValidationError } from '../../errors/validation.error.js';
import { type Duration, parseDuration } from '../../options/duration.js';

export interface AllocatorOptions {
  /**
   * How long a number rests after its process has released or lost it: until then its clock, or a reader of the ids made
   * with it, may not have caught up. @default '60s'
   */
  readonly quarantine?: Duration;
}

export interface AllocateOptions {
  /** Ends the wait; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** How long etcd may take, in all. @default '5s' */
  readonly timeout?: Duration;
}

export interface ResolvedAllocateOptions {
  readonly signal: AbortSignal | undefined;
  readonly timeout: number;
}

export function resolveQuarantine({ quarantine = 60_000 }: AllocatorOptions): number {
  return parseDuration('quarantine', quarantine, { max: 24 * 3_600_000 });
}

export function resolveAllocateOptions({
  signal,
  timeout = 5_000,
}: AllocateOptions): ResolvedAllocateOptions {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new ValidationError('signal', 'an AbortSignal', signal);
  }
  return { signal, timeout: parseDuration('timeout', timeout, { min: 1 }) };
}
