import { status } from '@grpc/grpc-js';
import { ValidationError } from '../../errors/validation.error.js';
import { checkInteger } from '../../options/check.js';
import { type Duration, parseDuration } from '../../options/duration.js';

/**
 * Which calls are repeated when an instance could not be reached, and how. A repeated call may run twice ("connection
 * dropped" does not tell whether the server had finished): name only methods for which that makes no difference.
 */
export interface RetryPolicy {
  /**
   * Idempotent methods: `'demo.UserService/FindOne'`, or `'demo.UserService'` for all methods of a service; without the
   * package where the client has one. @default every method of the client
   */
  readonly methods?: readonly string[];
  /** The most attempts in all, 2 to 5. @default 4 */
  readonly maxAttempts?: number;
  /** The wait before the first repetition is drawn from 0 to this. @default '20ms' */
  readonly initialBackoff?: Duration;
  /** @default '500ms' */
  readonly maxBackoff?: Duration;
  /** @default 2 */
  readonly backoffMultiplier?: number;
  /** The status codes that lead to a repetition. @default ['UNAVAILABLE'] */
  readonly retryableStatusCodes?: readonly string[];
}

interface MethodName {
  readonly service?: string;
  readonly method?: string;
}

/** A `methodConfig` entry of gRPC's service config. */
export interface RetryMethodConfig {
  readonly name: MethodName[];
  readonly retryPolicy: {
    readonly maxAttempts: number;
    readonly initialBackoff: string;
    readonly maxBackoff: string;
    readonly backoffMultiplier: number;
    readonly retryableStatusCodes: string[];
  };
}

/** Reads a {@link RetryPolicy}. `packages` complete method names that have no package. */
export function resolveRetry(retry: RetryPolicy, packages: readonly string[]): RetryMethodConfig {
  if (typeof retry !== 'object' || retry === null) {
    throw new ValidationError('retry', 'a retry policy, { methods: [...] }, or false', retry);
  }
  const { methods, maxAttempts = 4, initialBackoff = 20, maxBackoff = 500 } = retry;
  const { backoffMultiplier = 2, retryableStatusCodes = ['UNAVAILABLE'] } = retry;
  const given = { maxAttempts, initialBackoff, maxBackoff, backoffMultiplier, retryableStatusCodes };
  return {
    name: methods === undefined ? [{}] : methodNames(methods, packages),
    retryPolicy: readRetry('retry', given),
  };
}

/** Reads gRPC's `retryPolicy` (gRFC A6), which has no defaults. */
export function readRetry(
  argument: string,
  given: Readonly<Record<string, unknown>>,
): RetryMethodConfig['retryPolicy'] {
  const { backoffMultiplier } = given;
  if (typeof backoffMultiplier !== 'number' || !(backoffMultiplier > 0)) {
    throw new ValidationError(`${argument}.backoffMultiplier`, 'a number greater than 0', backoffMultiplier);
  }
  return {
    maxAttempts: checkAttempts(argument, given),
    initialBackoff: seconds(`${argument}.initialBackoff`, given['initialBackoff'], 1),
    maxBackoff: seconds(`${argument}.maxBackoff`, given['maxBackoff'], 1),
    backoffMultiplier,
    retryableStatusCodes: checkCodes(`${argument}.retryableStatusCodes`, given['retryableStatusCodes']),
  };
}

/** Reads gRPC's `hedgingPolicy` (gRFC A6). */
export function readHedging(
  argument: string,
  given: Readonly<Record<string, unknown>>,
): {
  readonly maxAttempts: number;
  readonly hedgingDelay?: string;
  readonly nonFatalStatusCodes?: string[];
} {
  const { hedgingDelay, nonFatalStatusCodes } = given;
  return {
    maxAttempts: checkAttempts(argument, given),
    ...(hedgingDelay !== undefined && {
      hedgingDelay: seconds(`${argument}.hedgingDelay`, hedgingDelay, 0),
    }),
    ...(nonFatalStatusCodes !== undefined && {
      nonFatalStatusCodes: checkCodes(`${argument}.nonFatalStatusCodes`, nonFatalStatusCodes),
    }),
  };
}

/** grpc-js makes at most 5 attempts whatever the policy says. */
function checkAttempts(argument: string, { maxAttempts }: Readonly<Record<string, unknown>>): number {
  return checkInteger(`${argument}.maxAttempts`, maxAttempts, 2, 5);
}

function methodNames(methods: readonly string[], packages: readonly string[]): MethodName[] {
  if (!Array.isArray(methods) || methods.length === 0) {
    throw new ValidationError(
      'retry.methods',
      "a list of methods such as 'demo.UserService/FindOne'",
      methods,
    );
  }
  return methods.flatMap((name: unknown, index): MethodName[] => {
    const parts = typeof name === 'string' ? /^\/?([\w.]+)(?:\/(\w+))?$/.exec(name) : null;
    const [service, method] = [parts?.[1], parts?.[2]];
    if (service === undefined) {
      throw new ValidationError(
        `retry.methods[${index}]`,
        "a method such as 'demo.UserService/FindOne'",
        name,
      );
    }
    const services =
      service.includes('.') || packages.length === 0
        ? [service]
        : packages.map((each) => `${each}.${service}`);
    return services.map((each) => ({ service: each, ...(method !== undefined && { method }) }));
  });
}

function checkCodes(argument: string, codes: unknown): string[] {
  if (!Array.isArray(codes) || codes.length === 0) {
    throw new ValidationError(argument, 'a list of gRPC status names', codes);
  }
  return codes.map((code: unknown, index) => {
    const name = typeof code === 'number' ? status[code] : code;
    if (typeof name === 'string' && /^[A-Z_]+$/.test(name) && name in status) return name;
    throw new ValidationError(`${argument}[${index}]`, "a gRPC status such as 'UNAVAILABLE'", code);
  });
}

function seconds(argument: string, value: unknown, min: number): string {
  return `${(parseDuration(argument, value, { min }) / 1000).toFixed(3)}s`;
}
