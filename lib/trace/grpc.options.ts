import type { Transport } from '@nestjs/microservices';
import { ValidationError } from '../errors/validation.error.js';
import { traceInterceptor } from './grpc.interceptor.js';

/**
 * Makes a gRPC microservice or client carry the trace: returns the options with the trace interceptor in front of
 * the interceptors of `channelOptions`. Takes Nest's whole options (`{ transport, options }`) or the inner ones, of a
 * server or of a client; applying it twice is the same as once. `coordGrpc()` has it built in.
 *
 * @throws ValidationError if the options are not an object, or `channelOptions.interceptors` is not a list.
 * @example
 * app.connectMicroservice(withGrpcTrace({ transport: Transport.GRPC, options: { package: 'user', protoPath } }));
 */
export function withGrpcTrace<T extends object & { readonly transport?: Transport }>(options: T): T {
  if (typeof options !== 'object' || options === null) {
    throw new ValidationError('options', 'the options of a gRPC microservice or client', options);
  }
  if (!('options' in options)) return withInterceptor(options);
  const { options: inner } = options;
  return { ...options, options: withInterceptor(typeof inner === 'object' && inner !== null ? inner : {}) };
}

function withInterceptor<T extends object>(options: T & { readonly channelOptions?: unknown }): T {
  const channelOptions = (options.channelOptions ?? {}) as { readonly interceptors?: unknown };
  const given = channelOptions.interceptors ?? [];
  if (!Array.isArray(given)) {
    throw new ValidationError('options.channelOptions.interceptors', 'a list of interceptors', given);
  }
  // First in the list is outermost for a client and next to the wire for a server: the others run in the trace.
  const others = (given as readonly unknown[]).filter((each) => each !== traceInterceptor);
  return { ...options, channelOptions: { ...channelOptions, interceptors: [traceInterceptor, ...others] } };
}
