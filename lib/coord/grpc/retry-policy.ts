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
  const { methods, backoffMultiplier = 2, retryableStatusCodes = ['UNAVAILABLE'] } = retry;
  if (typeof backoffMultiplier !== 'number' || !(backoffMultiplier > 0)) {
    throw new ValidationError('retry.backoffMultiplier', 'a number greater than 0', backoffMultiplier);
  }
  return {
    name: methods === undefined ? [{}] : methodNames(methods, packages),
    retryPolicy: {
      // grpc-js makes at most 5 attempts whatever the policy says.
      maxAttempts: checkInteger('retry.maxAttempts', retry.maxAttempts ?? 4, 2, 5),
      initialBackoff: seconds('retry.initialBackoff', retry.initialBackoff ?? 20),
      maxBackoff: seconds('retry.maxBackoff', retry.maxBackoff ?? 500),
      backoffMultiplier,
      retryableStatusCodes: checkCodes(retryableStatusCodes),
    },
  };
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

function checkCodes(codes: readonly string[]): string[] {
  if (!Array.isArray(codes) || codes.length === 0) {
    throw new ValidationError('retry.retryableStatusCodes', 'a list of gRPC status names', codes);
  }
  return codes.map((code: unknown, index) => {
    const name = typeof code === 'number' ? status[code] : code;
    if (typeof name === 'string' && /^[A-Z_]+$/.test(name) && name in status) return name;
    throw new ValidationError(
      `retry.retryableStatusCodes[${index}]`,
      "a gRPC status such as 'UNAVAILABLE'",
      code,
    );
  });
}

function seconds(argument: string, value: Duration): string {
  return `${(parseDuration(argument, value, { min: 1 }) / 1000).toFixed(3)}s`;
}
