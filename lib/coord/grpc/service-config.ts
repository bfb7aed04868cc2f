import { ValidationError } from '../../errors/validation.error.js';
import { BALANCER_NAME } from './balancer-config.js';
import { type ServiceConfig, parseLoadBalancingConfig } from './grpc-experimental.js';
import { checkObject, readMethodConfig } from './method-config.js';
import { type RetryPolicy, resolveRetry } from './retry-policy.js';

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
    methodConfig: methods.map((method, index) =>
      readMethodConfig(`${argument}.methodConfig[${index}]`, method),
    ),
    ...(config['retryThrottling'] !== undefined && {
      retryThrottling: readThrottling(`${argument}.retryThrottling`, config['retryThrottling']),
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

/** gRFC A6: repetitions stop while fewer than half of `maxTokens` are left. */
function readThrottling(argument: string, given: unknown): NonNullable<ServiceConfig['retryThrottling']> {
  const { maxTokens, tokenRatio } = checkObject(argument, '{ maxTokens: 100, tokenRatio: 0.1 }', given);
  const within = (value: unknown, most: number): value is number =>
    typeof value === 'number' && value > 0 && value <= most;
  if (!within(maxTokens, 1_000)) {
    throw new ValidationError(`${argument}.maxTokens`, 'a number greater than 0, at most 1000', maxTokens);
  }
  if (!within(tokenRatio, Infinity)) {
    throw new ValidationError(`${argument}.tokenRatio`, 'a number greater than 0', tokenRatio);
  }
  return { maxTokens, tokenRatio };
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
