import {
  InterceptingCall,
  type Interceptor,
  type InterceptorOptions,
  type Metadata,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import type { ServiceConfig } from './grpc-experimental.js';

/** grpc-js does not export it by name. */
type NextCall = Parameters<Interceptor>[1];

/**
 * Repeats a unary call whose answer had begun when its connection went: with its response headers a call is committed, and
 * gRPC repeats it no more whatever the policy says (gRFC A6), because somebody may have read them. Of a unary call nobody
 * has: headers and message are held back until the status is there. Once a call, at once, and only for methods with a retry
 * policy, which are marked as idempotent by it.
 *
 * Found with a hung server that came back just when keep-alive cut it off: of the calls that waited for it, those whose
 * headers came in the same turn of the event loop failed with "Connection dropped".
 *
 * @returns `undefined` if no method has a retry policy
 */
export function begunAnswerInterceptor({ methodConfig }: ServiceConfig): Interceptor | undefined {
  if (methodConfig.every(({ retryPolicy }) => retryPolicy === undefined)) return undefined;
  const known = new Map<string, boolean>();
  return (options, nextCall) => {
    const { path, requestStream, responseStream } = options.method_definition;
    let repeats = known.get(path);
    if (repeats === undefined) known.set(path, (repeats = isRepeated(path, methodConfig)));
    if (!repeats || requestStream || responseStream) return nextCall(options) as InterceptingCall;
    return repeatable(options, nextCall);
  };
}

function repeatable(options: InterceptorOptions, nextCall: NextCall): InterceptingCall {
  let request: unknown;
  let second: ReturnType<NextCall> | undefined;
  return new InterceptingCall(nextCall(options), {
    start: (metadata, listener, next) => {
      let [headers, answer]: [Metadata | undefined, unknown] = [undefined, undefined];
      const finish = (end: StatusObject): void => {
        if (headers !== undefined) listener.onReceiveMetadata(headers);
        if (answer !== undefined) listener.onReceiveMessage(answer);
        listener.onReceiveStatus(end);
      };
      const own = {
        onReceiveMetadata: (received: Metadata) => void (headers = received),
        onReceiveMessage: (message: unknown) => void (answer = message),
        onReceiveStatus: (end: StatusObject) => {
          if (end.code !== status.UNAVAILABLE || headers === undefined || second !== undefined) {
            finish(end);
            return;
          }
          headers = answer = undefined;
          second = nextCall(options);
          second.start(metadata.clone(), own);
          second.sendMessage(request);
          second.halfClose();
        },
      };
      next(metadata, own);
    },
    sendMessage: (message, next) => {
      request = message;
      next(message);
    },
    cancel: (next) => {
      second?.cancelWithStatus(status.CANCELLED, 'Cancelled on client');
      next();
    },
  });
}

/** gRPC takes the entry of the method, else that of its service, else the one for everything. */
function isRepeated(path: string, methodConfig: ServiceConfig['methodConfig']): boolean {
  const [, service, method] = path.split('/');
  const entry = [{ service, method }, { service }, {}]
    .map((wanted) => methodConfig.find(({ name }) => name.some((each) => isSame(each, wanted))))
    .find((found) => found !== undefined);
  return entry?.retryPolicy?.retryableStatusCodes.some(isUnavailable) ?? false;
}

function isSame(
  a: { readonly service?: string; readonly method?: string },
  b: { readonly service?: string | undefined; readonly method?: string | undefined },
): boolean {
  return (a.service ?? '') === (b.service ?? '') && (a.method ?? '') === (b.method ?? '');
}

function isUnavailable(code: string | number): boolean {
  return code === status.UNAVAILABLE || code === status[status.UNAVAILABLE];
}
