import { experimental } from '@grpc/grpc-js';

/*
 * Everything of grpc-js that its README calls experimental ("may break in any minor") passes through this file: resolvers,
 * load balancing policies, pickers. The peer range `>=1.14.0 <1.15.0` is for this file's sake. 1.14.0 made the resolver's
 * listener a function of `StatusOr`; 1.13 took the channel options out of the policy's constructor.
 */
export type GrpcUri = experimental.GrpcUri;
export type Endpoint = experimental.Endpoint;
export type Resolver = experimental.Resolver;
export type ResolverListener = experimental.ResolverListener;
export type LoadBalancer = experimental.LoadBalancer;
export type LoadBalancingConfig = experimental.TypedLoadBalancingConfig;
export type ChannelControlHelper = experimental.ChannelControlHelper;
export type SubchannelInterface = experimental.SubchannelInterface;
export type Picker = experimental.Picker;
export type PickArgs = experimental.PickArgs;
export type PickResult = experimental.PickResult;
export type StatusOr<T> = experimental.StatusOr<T>;
/** grpc-js does not export the type of a service config by name. */
export type ServiceConfig = Extract<
  NonNullable<Parameters<ResolverListener>[2]>,
  { readonly ok: true }
>['value'];

/** Whether the grpc-js that was loaded has what 1.14 has. */
export const isKnownVersion = typeof experimental.statusOrFromValue === 'function';

export const {
  LeafLoadBalancer,
  QueuePicker,
  UnavailablePicker,
  PickResultType,
  createChildChannelControlHelper,
  parseDuration: parseServiceDuration,
  parseLoadBalancingConfig,
  registerLoadBalancerType,
  registerResolver,
  statusOrFromError,
  statusOrFromValue,
} = experimental;

/** A leaf keeps one connection, to one instance. */
export type LeafLoadBalancer = InstanceType<typeof LeafLoadBalancer>;

/**
 * Channel options under this prefix travel from the channel to the resolver and the policy, but are not part of what makes
 * two connections different: without it every client with options of its own would open connections of its own.
 */
export const PRIVATE_OPTION = `${experimental.SUBCHANNEL_ARGS_EXCLUDE_KEY_PREFIX}.coord`;
