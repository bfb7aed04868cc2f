import { type CoordGrpcClient, type CoordGrpcClientOptions, clientOptions } from './client-options.js';

/**
 * Nest's client options for a service found through the registry: for `ClientsModule.register()`, `registerAsync()` and
 * `@Client()`. The client resolves through the registry of its process when it is first used; where a process has registries
 * of several etcds, name one with `registry` or use `ServiceRegistry.clientOptions()`.
 *
 * @throws ValidationError for options that would not work, when the options are written, not at the first call.
 * @example
 * ClientsModule.register([{ name: 'USERS', ...coordGrpc('user-service', { package: 'user', protoPath }) }])
 */
export function coordGrpc(name: string, options: CoordGrpcClientOptions): CoordGrpcClient {
  return clientOptions(name, options);
}
