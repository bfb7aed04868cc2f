import { ValidationError } from '../../errors/validation.error.js';
import { type Duration, parseDuration } from '../../options/duration.js';

export interface LockOptions {
  /**
   * How long the lock outlives a process that died or was cut off; at least 2 s, whole seconds. All locks of one TTL
   * share one lease. @default '30s'
   */
  readonly ttl?: Duration;
  /** How long to wait for the lock; `Infinity` for ever, 0 for one try. @default '30s' */
  readonly timeout?: Duration;
  /** Ends the wait; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Whether a task that holds the lock already gets it again instead of a `LockHeldError`. @default false */
  readonly reentrant?: boolean;
  /** The lock counts as lost after this, so that a stuck task stops trusting it. @default no limit */
  readonly maxHold?: Duration;
  /** Nobody else gets the lock earlier than this after it was acquired, even if the process ends. @default 0 */
  readonly minHold?: Duration;
}

export interface ResolvedLockOptions {
  readonly ttl: number;
  /** `undefined`: not given. */
  readonly timeout: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly reentrant: boolean;
  readonly maxHold: number;
  readonly minHold: number;
}

export const DEFAULT_TIMEOUT = 30_000;
const DEFAULT_TTL = 30_000;
const DEFAULTS: ResolvedLockOptions = {
  ttl: DEFAULT_TTL,
  timeout: undefined,
  signal: undefined,
  reentrant: false,
  maxHold: Infinity,
  minHold: 0,
};

/** Validates and fills in. @throws ValidationError that names the option */
export function resolveLockOptions(options?: LockOptions): ResolvedLockOptions {
  if (options === undefined) return DEFAULTS;
  if (typeof options !== 'object' || options === null) {
    throw new ValidationError('options', "an object such as { ttl: '30s', timeout: '5s' }", options);
  }
  const { ttl, timeout, signal, reentrant, maxHold, minHold } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new ValidationError('signal', 'an AbortSignal', signal);
  }
  if (reentrant !== undefined && typeof reentrant !== 'boolean') {
    throw new ValidationError('reentrant', 'true or false', reentrant);
  }
  return {
    ttl:
      ttl === undefined ? DEFAULTS.ttl : Math.ceil(parseDuration('ttl', ttl, { min: 2_000 }) / 1_000) * 1_000,
    timeout: timeout === undefined ? undefined : parseDuration('timeout', timeout, { infinite: true }),
    signal,
    reentrant: reentrant ?? DEFAULTS.reentrant,
    maxHold: maxHold === undefined ? DEFAULTS.maxHold : parseDuration('maxHold', maxHold, { min: 1 }),
    minHold: minHold === undefined ? DEFAULTS.minHold : parseDuration('minHold', minHold),
  };
}
