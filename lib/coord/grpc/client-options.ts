import type { ChannelOptions, Interceptor } from '@grpc/grpc-js';
import { type GrpcOptions, Transport } from '@nestjs/microservices';
import { ValidationError } from '../../errors/validation.error.js';
import { withGrpcTrace } from '../../trace/grpc.options.js';
import { begunAnswerInterceptor } from './begun-answer.interceptor.js';
import {
  type CoordGrpcOptions,
  DEFAULT_CHANNEL_OPTIONS,
  resolveCoordGrpc,
  resolveTimeout,
} from './coord-grpc.options.js';
import type { ClientBinding } from './coord-resolver.js';
import { coordTarget } from './coord-target.js';
import { deadlineInterceptor } from './deadline.interceptor.js';
import { PRIVATE_OPTION } from './grpc-experimental.js';
import { installScheme, makeChannel } from './grpc-scheme.js';
import type { LiveRegistry } from './registry-table.js';

/** Nest's options of a gRPC client, without the url, and ours. */
export type CoordGrpcClientOptions = Omit<GrpcOptions['options'], 'url'> & CoordGrpcOptions;

/** What Nest's `ClientsModule` and `@Client()` take. */
export interface CoordGrpcClient {
  readonly transport: Transport.GRPC;
  readonly options: GrpcOptions['options'];
}

/** A target and the channel options that make it work, for any grpc-js client class. */
export interface CoordConnection {
  readonly target: string;
  readonly channelOptions: ChannelOptions;
}

/** Nest's options for a client of `service`; `registry` binds it to one registry, else it finds one when first used. */
export function clientOptions(
  service: string,
  options: CoordGrpcClientOptions,
  registry?: LiveRegistry,
): CoordGrpcClient {
  if (typeof options !== 'object' || options === null) {
    throw new ValidationError('options', "Nest's gRPC options, { package, protoPath }", options);
  }
  const {
    loadBalancing: _loadBalancing,
    retry: _retry,
    timeout: _timeout,
    filter: _filter,
    zone: _zone,
    subsetSize: _subsetSize,
    hashHeader: _hashHeader,
    versionHeader: _versionHeader,
    canary: _canary,
    slowStart: _slowStart,
    ejection: _ejection,
    healthCheck: _healthCheck,
    resolveTimeout: _resolveTimeout,
    registry: _registry,
    ...nest
  } = options;
  const packages = [nest.package].flat().filter((name) => typeof name === 'string');
  const given = (nest.channelOptions ?? {}) as ChannelOptions;
  const { target, channelOptions } = connection(service, options, given, packages, registry);
  const inner = withGrpcTrace({ ...nest, url: target, channelOptions });
  return { transport: Transport.GRPC, options: inner };
}

/** The same for clients that are not Nest's. */
export function connection(
  service: string,
  options: CoordGrpcOptions,
  given: ChannelOptions,
  packages: readonly string[],
  registry?: LiveRegistry,
): CoordConnection {
  installScheme();
  const target = coordTarget(service);
  const binding: ClientBinding = {
    plan: resolveCoordGrpc(options, packages, given),
    ...(registry && { registry }),
  };
  // grpc-js writes channel options as JSON when tracing is on: a registry must not be part of that.
  Object.defineProperty(binding, 'toJSON', { value: () => ({ service }), enumerable: false });
  // The config reaches the channel through the resolver: as an option it would part connections that could be shared.
  const { 'grpc.service_config': _serviceConfig, interceptors = [], ...own } = given;
  const timeout = resolveTimeout(options);
  const repeat = begunAnswerInterceptor(binding.plan.serviceConfig);
  return {
    target,
    channelOptions: {
      ...DEFAULT_CHANNEL_OPTIONS,
      channelFactoryOverride: makeChannel,
      ...own,
      interceptors: [
        ...(timeout === undefined ? [] : [deadlineInterceptor(timeout)]),
        ...(repeat === undefined ? [] : [repeat]),
        ...(interceptors as readonly Interceptor[]),
      ],
      [PRIVATE_OPTION]: binding,
    },
  };
}
