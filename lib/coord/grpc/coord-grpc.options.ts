import type { ChannelOptions } from '@grpc/grpc-js';
import { ValidationError } from '../../errors/validation.error.js';
import { checkInteger, checkName, checkOneOf, checkString } from '../../options/check.js';
import { type Duration, parseDuration } from '../../options/duration.js';
import {
  type BalancingPlan,
  type CanaryPlan,
  LOAD_BALANCING_POLICIES,
  type LoadBalancingPolicy,
} from '../registry/balancing/balancing-plan.js';
import type { ServiceInstance } from '../registry/service-instance.js';
import type { RetryPolicy } from './retry-policy.js';
import { buildServiceConfig, readServiceConfig } from './service-config.js';
import type { ServiceConfig } from './grpc-experimental.js';

/** How one client finds, chooses and calls the instances of a service. */
export interface CoordGrpcOptions {
  /** Who gets the next call. @default 'round_robin' */
  readonly loadBalancing?: LoadBalancingPolicy;
  /** Repeats calls of idempotent methods that no instance answered; see {@link RetryPolicy}. @default false */
  readonly retry?: RetryPolicy | false;
  /** Deadline of unary calls that have none of their own; `false` for none. Streams have none. @default '10s' */
  readonly timeout?: Duration | false;
  /** Only instances for which this is true. It must not throw and answer the same for the same instance. */
  readonly filter?: (instance: ServiceInstance) => boolean;
  /** Instances whose metadata has this zone are preferred; the others get calls when too few of them are up. */
  readonly zone?: string;
  /** With `consistent_hash`: calls with the same value of this header go to the same instance. */
  readonly hashHeader?: string;
  /** A call that has this header goes only to instances whose `metadata.version` is its value. @default none */
  readonly versionHeader?: string;
  /** Sends a part of the calls to one version. @default none */
  readonly canary?: CanaryOptions;
  /** An instance that joins gets a growing share of its calls over this time. @default 0, its whole share at once */
  readonly slowStart?: Duration;
  /** Sets an instance aside while calls to it fail in a row (UNAVAILABLE, DEADLINE_EXCEEDED). @default true */
  readonly ejection?: boolean;
  /**
   * Asks each instance through `grpc.health.v1` whether it serves, and goes by the answer; `true` asks for the server as a
   * whole, a text for that service. An instance without the health service counts as serving. @default false
   */
  readonly healthCheck?: boolean | string;
  /** Connect to this many instances only; clients draw different ones. @default all */
  readonly subsetSize?: number;
  /** How long a first call waits for etcd before it fails with UNAVAILABLE. @default '3s' */
  readonly resolveTimeout?: Duration;
  /**
   * Which registry, where one process has several for different etcds: the `service.name` or `service.instanceId` that the
   * module was given. @default the only one
   */
  readonly registry?: string;
}

/** A canary release, as a client sees it. */
export interface CanaryOptions {
  /** The `metadata.version` of the canaries. */
  readonly version: string;
  /**
   * The part of the calls that they get, 0 to 1. A function is asked for each call, so that the part can change while the
   * process runs: `() => live.value.share` with a `LiveConfig`. While it throws or returns no number from 0 to 1, its last
   * good answer counts (0 before the first); that is logged once.
   */
  readonly share: number | (() => number);
}

/** What the resolver and the balancer of one client go by. */
export interface ClientPlan {
  readonly balancing: BalancingPlan;
  readonly filter: ((instance: ServiceInstance) => boolean) | undefined;
  readonly subsetSize: number | undefined;
  readonly resolveTimeout: number;
  readonly registry: string | undefined;
  /** In ms; 0 for none. */
  readonly slowStart: number;
  readonly ejection: boolean;
  /** The service to ask for, `''` for the server as a whole. */
  readonly healthCheck: string | undefined;
  readonly serviceConfig: ServiceConfig;
}

/**
 * A dead connection with calls on it ends within 1 + 3 s. A hung peer gets no new calls much earlier (StallWatch); this ends
 * the calls that it has. The second figure is what a busy server, or a stall of our own event loop, may take before a good
 * connection is cut.
 */
const KEEPALIVE_TIME = 1_000;
const KEEPALIVE_TIMEOUT = 3_000;

/** A dead instance is tried again after 0.1 s, then with growing pauses up to 3 s (grpc-js by itself: up to 2 minutes). */
const FIRST_RECONNECT = 100;
const LAST_RECONNECT = 3_000;

/** Reads {@link CoordGrpcOptions}; throws a `ValidationError` that names the option. */
export function resolveCoordGrpc(
  options: CoordGrpcOptions,
  packages: readonly string[] = [],
  channelOptions: ChannelOptions = {},
): ClientPlan {
  if (typeof options !== 'object' || options === null) {
    throw new ValidationError('options', 'an object', options);
  }
  const { filter, subsetSize, registry } = options;
  if (filter !== undefined && typeof filter !== 'function') {
    throw new ValidationError('filter', 'a function of an instance that returns a boolean', filter);
  }
  const policy = checkOneOf('loadBalancing', options.loadBalancing ?? 'round_robin', LOAD_BALANCING_POLICIES);
  const written = channelOptions['grpc.service_config'];
  return {
    balancing: resolveBalancing(policy, options),
    filter,
    slowStart: parseDuration('slowStart', options.slowStart ?? 0),
    ejection: checkBoolean('ejection', options.ejection ?? true),
    healthCheck: resolveHealthCheck(options.healthCheck ?? false),
    subsetSize: subsetSize === undefined ? undefined : checkInteger('subsetSize', subsetSize, 1, 100_000),
    resolveTimeout: parseDuration('resolveTimeout', options.resolveTimeout ?? 3_000, { min: 1 }),
    registry: registry === undefined ? undefined : checkName('registry', registry),
    serviceConfig: buildServiceConfig(
      policy,
      options.retry ?? false,
      packages,
      written === undefined ? undefined : readServiceConfig(written, options.loadBalancing !== undefined),
    ),
  };
}

function resolveBalancing(policy: LoadBalancingPolicy, options: CoordGrpcOptions): BalancingPlan {
  const { zone, hashHeader, versionHeader, canary } = options;
  if (policy === 'consistent_hash' && hashHeader === undefined) {
    throw new ValidationError(
      'hashHeader',
      "the name of a header, for loadBalancing: 'consistent_hash'",
      hashHeader,
    );
  }
  return {
    policy,
    zone: zone === undefined ? undefined : checkString('zone', zone),
    hashHeader: hashHeader === undefined ? undefined : checkHeader('hashHeader', hashHeader),
    versionHeader: versionHeader === undefined ? undefined : checkHeader('versionHeader', versionHeader),
    canary: canary === undefined ? undefined : resolveCanary(canary),
  };
}

function resolveCanary(canary: CanaryOptions): CanaryPlan {
  if (typeof canary !== 'object' || canary === null) {
    throw new ValidationError('canary', "an object, { version: '2.0', share: 0.05 }", canary);
  }
  const { share } = canary;
  const version = checkString('canary.version', canary.version);
  if (typeof share === 'function') return { version, share };
  if (typeof share === 'number' && share >= 0 && share <= 1) return { version, share: () => share };
  throw new ValidationError('canary.share', 'a number from 0 to 1, or a function that returns one', share);
}

/** gRPC sends header names in lower case; those that end in `-bin` hold bytes. */
function checkHeader(argument: string, value: unknown): string {
  if (typeof value === 'string' && /^[A-Za-z0-9_.-]+$/.test(value) && !/-bin$/i.test(value))
    return value.toLowerCase();
  throw new ValidationError(argument, "the name of a text header, such as 'x-user-id'", value);
}

function checkBoolean(argument: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new ValidationError(argument, 'true or false', value);
}

function resolveHealthCheck(value: unknown): string | undefined {
  if (value === false) return undefined;
  if (value === true) return '';
  if (typeof value === 'string') return value;
  throw new ValidationError('healthCheck', 'true, false or the name of a gRPC service', value);
}

/** The deadline of unary calls in ms, `undefined` for none. */
export function resolveTimeout({ timeout = 10_000 }: CoordGrpcOptions): number | undefined {
  return timeout === false ? undefined : parseDuration('timeout', timeout, { min: 1 });
}

/** Channel options that a client of this library starts from; the application's own come on top. */
export const DEFAULT_CHANNEL_OPTIONS: ChannelOptions = Object.freeze({
  // `coord:` targets are not for a proxy: with http_proxy set, grpc-js would hand it the service's name as a host.
  'grpc.enable_http_proxy': 0,
  'grpc.keepalive_time_ms': KEEPALIVE_TIME,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT,
  'grpc.initial_reconnect_backoff_ms': FIRST_RECONNECT,
  'grpc.max_reconnect_backoff_ms': LAST_RECONNECT,
});
