import { InterceptingCall, type Interceptor } from '@grpc/grpc-js';

/**
 * Gives unary calls a deadline that have none. A service config cannot: its `timeout` would end streams as well, and
 * long-lived streams are what streams are for.
 *
 * @param timeout in ms
 */
export function deadlineInterceptor(timeout: number): Interceptor {
  return (options, nextCall) => {
    const { requestStream, responseStream } = options.method_definition;
    if (requestStream || responseStream || options.deadline !== undefined) {
      return new InterceptingCall(nextCall(options));
    }
    return new InterceptingCall(nextCall({ ...options, deadline: Date.now() + timeout }));
  };
}
