import type { IncomingHttpHeaders } from 'node:http';
import { extractTrace } from './carrier.js';
import type { TraceContext } from './trace.js';
import { TraceStore, runInStore } from './trace-store.js';

const STORE = Symbol.for('im-infra:request-trace');
interface TracedRequest {
  readonly headers: IncomingHttpHeaders;
  /** The request's trace, for whoever comes second. */
  [STORE]?: TraceStore;
}

/**
 * Gives each HTTP request its trace, for express, fastify (through Nest's middleware) and plain `http`:
 * `traceparent`, else `x-trace-id`, else a new one. All that follows `next()` runs in it. A request that comes by twice
 * keeps its trace.
 *
 * @example app.use(traceMiddleware) // ImInfraModule does this by itself, behind the body parser
 */
export function traceMiddleware(
  request: { readonly headers: IncomingHttpHeaders },
  _response: unknown,
  next: () => void,
): void {
  const traced = request as TracedRequest;
  const store = (traced[STORE] ??= new TraceStore(traceOf(request.headers)));
  runInStore(store, next);
}

function traceOf(headers: IncomingHttpHeaders): TraceContext {
  return extractTrace((name) => {
    const value = headers[name];
    return Array.isArray(value) ? value.join(',') : value;
  });
}
