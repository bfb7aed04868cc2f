import {
  InterceptingCall,
  type Interceptor,
  type InterceptorOptions,
  type Metadata,
  type NextCall,
  type ServerInterceptingCallInterface,
  ServerInterceptingCall,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import { extractTrace, hasTrace, injectTrace } from './carrier.js';
import type { TraceContext } from './trace.js';
import { TraceStore, currentStore, currentTrace, runInStore } from './trace-store.js';

function read(metadata: Metadata, name: string): string | undefined {
  const values = metadata.get(name);
  return values.length === 0 ? undefined : values.map(String).join(',');
}

type ServerListener = Parameters<ServerInterceptingCall['start']>[0];

/**
 * A call whose callbacks all run in its trace. The class is extended, not given a listener: the listener that grpc-js
 * takes is told of a cancellation *before* the handler is, so it cannot be around it.
 */
class TracedServerCall extends ServerInterceptingCall {
  override start(listener: ServerListener): void {
    let store: TraceStore | undefined;
    super.start({
      onReceiveMetadata(metadata) {
        store = new TraceStore(extractTrace((name) => read(metadata, name)));
        runInStore(store, () => listener.onReceiveMetadata(metadata));
      },
      onReceiveMessage: (message) => runInStore(store, () => listener.onReceiveMessage(message)),
      onReceiveHalfClose: () => runInStore(store, () => listener.onReceiveHalfClose()),
      onCancel: () => runInStore(store, () => listener.onCancel()),
    });
  }
}

/**
 * Gives each incoming call its trace and runs *every* callback of the call in it: guards, pipes, the handler, each
 * message of a stream, its end and its cancellation. (A Nest interceptor or hook loses the messages: grpc-js delivers
 * them from the socket's own context.)
 */
export const traceServerInterceptor: ServerInterceptor = (_method, call) => new TracedServerCall(call);

/**
 * Sends the running trace with each outgoing call and delivers the answers in the context of the caller. Metadata that
 * already has a trace is sent as it is: the caller, or an instrumentation, has set it.
 */
export const traceClientInterceptor: Interceptor = (options, nextCall) => {
  const trace = currentTrace();
  if (trace === undefined) return new InterceptingCall(nextCall(options));
  const store = currentStore();
  return new InterceptingCall(nextCall(options), {
    start(metadata, _listener, next) {
      next(withTrace(metadata, trace), {
        onReceiveMetadata: (received, forward) => runInStore(store, () => forward(received)),
        onReceiveMessage: (message, forward) => runInStore(store, () => forward(message)),
        onReceiveStatus: (status, forward) => runInStore(store, () => forward(status)),
      });
    },
  });
};

/** A copy: the caller may send its Metadata with other calls too, which have traces of their own. */
function withTrace(metadata: Metadata, trace: TraceContext): Metadata {
  if (hasTrace((name) => metadata.get(name).length > 0)) return metadata;
  const copy = metadata.clone();
  injectTrace(trace, (name, value) => copy.set(name, value));
  return copy;
}

/**
 * Both interceptors as one: Nest hands `channelOptions.interceptors` to grpc-js's Server or to its Client, and the
 * two call them with different arguments, a call (server) or a function that makes one (client).
 */
export function traceInterceptor(
  first: InterceptorOptions & Parameters<ServerInterceptor>[0],
  second: NextCall | ServerInterceptingCallInterface,
): InterceptingCall | ServerInterceptingCall {
  return typeof second === 'function'
    ? traceClientInterceptor(first, second)
    : traceServerInterceptor(first, second);
}
