import { ValidationError } from '../../errors/validation.error.js';
import { BALANCER_NAME } from './balancer-config.js';
import { type ServiceConfig, parseLoadBalancingConfig, parseServiceDuration } from './grpc-experimental.js';
import { type RetryPolicy, resolveRetry } from './retry-policy.js';

type MethodConfig = ServiceConfig['methodConfig'][number];

/**
 * The service config that our resolver hands to the channel. grpc-js does not check a config that comes from a resolver, and
 * falls back to `pick_first` in silence for a policy that it cannot read, hence everything is checked here.
 *
 * @param written what the application wrote into `grpc.service_config`, already checked
 */
export function buildServiceConfig(
  policy: string,
  retry: RetryPolicy | false,
  packages: readonly string[],
  written?: ServiceConfig,
): ServiceConfig {
  const own = retry === false ? [] : [resolveRetry(retry, packages)];
  const others = (written?.methodConfig ?? []).filter(
    ({ name }) =>
      !own.some((config) => config.name.some((each) => name.some((other) => sameName(each, other)))),
  );
  const loadBalancingConfig = written?.loadBalancingConfig.length
    ? written.loadBalancingConfig
    : [{ [BALANCER_NAME]: { policy } }];
  return {
    loadBalancingConfig,
    methodConfig: [...own, ...others],
    ...(written?.retryThrottling && { retryThrottling: written.retryThrottling }),
  };
}

function sameName(
  a: { readonly service?: string; readonly method?: string },
  b: { readonly service?: string; readonly method?: string },
): boolean {
  return a.service === b.service && a.method === b.method;
}

/** Reads the `grpc.service_config` of an application. Throws a `ValidationError` where grpc-js would ignore something. */
export function readServiceConfig(written: unknown, hasPolicy: boolean): ServiceConfig {
  const argument = "channelOptions['grpc.service_config']";
  const config = parseJson(argument, written);
  if ('loadBalancingPolicy' in config) {
    throw new ValidationError(
      argument,
      "no loadBalancingPolicy, which grpc-js ignores; use the option loadBalancing, or loadBalancingConfig: [{ 'round_robin': {} }]",
      config['loadBalancingPolicy'],
    );
  }
  const policies = config['loadBalancingConfig'] ?? [];
  if (!Array.isArray(policies))
    throw new ValidationError(`${argument}.loadBalancingConfig`, 'a list', policies);
  if (hasPolicy && policies.length > 0) {
    throw new ValidationError(
      argument,
      'no loadBalancingConfig where the option loadBalancing is given',
      policies,
    );
  }
  for (const policy of policies as Record<string, object>[]) checkPolicy(argument, policy);
  const methods = config['methodConfig'] ?? [];
  if (!Array.isArray(methods)) throw new ValidationError(`${argument}.methodConfig`, 'a list', methods);
  return {
    loadBalancingConfig: policies as ServiceConfig['loadBalancingConfig'],
    methodConfig: methods.map((method, index) => readMethod(`${argument}.methodConfig[${index}]`, method)),
    ...(config['retryThrottling'] !== undefined && {
      retryThrottling: config['retryThrottling'] as NonNullable<ServiceConfig['retryThrottling']>,
    }),
  };
}

function parseJson(argument: string, written: unknown): Record<string, unknown> {
  try {
    const config: unknown = typeof written === 'string' ? JSON.parse(written) : undefined;
    if (typeof config === 'object' && config !== null) return config as Record<string, unknown>;
  } catch {
    // falls through to the message below
  }
  throw new ValidationError(argument, 'the JSON text of a gRPC service config', written);
}

function checkPolicy(argument: string, policy: Record<string, object>): void {
  try {
    parseLoadBalancingConfig(policy);
  } catch (error) {
    throw new ValidationError(
      `${argument}.loadBalancingConfig`,
      `policies grpc-js can read (${String(error)})`,
      policy,
    );
  }
}

/** Durations become `{ seconds, nanos }`: grpc-js reads the text `0.5s` of a method's timeout as 5 nanoseconds. */
function readMethod(argument: string, method: unknown): MethodConfig {
  const config = method as { readonly name?: unknown; readonly timeout?: unknown };
  if (typeof method !== 'object' || method === null || !Array.isArray(config.name)) {
    throw new ValidationError(
      argument,
      "an object with a list of names, { name: [{ service: 'demo.UserService' }] }",
      method,
    );
  }
  const { timeout } = config;
  if (timeout === undefined) return method as MethodConfig;
  const duration = typeof timeout === 'string' ? parseServiceDuration(timeout) : timeout;
  const { seconds, nanos } = (duration ?? {}) as { readonly seconds?: unknown; readonly nanos?: unknown };
  if (typeof seconds !== 'number' || typeof nanos !== 'number') {
    throw new ValidationError(`${argument}.timeout`, "a duration such as '0.5s'", timeout);
  }
  return { ...(method as MethodConfig), timeout: { seconds, nanos } };
}
