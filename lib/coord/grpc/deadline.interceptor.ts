import type { InterceptingCall, Interceptor } from '@grpc/grpc-js';

/**
 * Gives unary calls a deadline that have none. A service config cannot: its `timeout` would end streams as well, and
 * long-lived streams are what streams are for.
 *
 * @param timeout in ms
 */
export function deadlineInterceptor(timeout: number): Interceptor {
  return (options, nextCall) => {
    const { requestStream, responseStream } = options.method_definition;
    // grpc-js makes the options anew for each call, so they can be written to; and the next call is returned as it is: what
    // changes the options only needs no layer of its own around each message and status.
    if (!requestStream && !responseStream) options.deadline ??= Date.now() + timeout;
    return nextCall(options) as InterceptingCall;
  };
}
