import type { IncomingHttpHeaders } from 'node:http';
import { extractTrace } from './carrier.js';
import { TraceStore, runInStore } from './trace-store.js';

/**
 * Gives each HTTP request its trace, for express, fastify (through Nest's middleware) and plain `http`:
 * `traceparent`, else `x-trace-id`, else a new one. All that follows `next()` runs in it.
 *
 * @example app.use(traceMiddleware) // ImInfraModule does this by itself
 */
export function traceMiddleware(
  request: { readonly headers: IncomingHttpHeaders },
  _response: unknown,
  next: () => void,
): void {
  const { headers } = request;
  const trace = extractTrace((name) => {
    const value = headers[name];
    return Array.isArray(value) ? value.join(',') : value;
  });
  runInStore(new TraceStore(trace), next);
}
