import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { ValidationError } from '../errors/validation.error.js';
import { hasTrace, injectTrace } from './carrier.js';
import { watchHttpRequests } from './http-requests.js';
import { currentTrace } from './trace-store.js';

/** To whom outgoing HTTP requests carry the trace. */
export interface PropagateOptions {
  /** Origins, `'https://orders.internal:8443'`: ids are not told to anybody else. */
  readonly origins: readonly string[];
}

interface UndiciRequest {
  readonly origin: string | URL;
  readonly headers: unknown;
  addHeader(name: string, value: string): void;
}

/** Node's `fetch`, and undici. */
const FETCH = 'undici:request:create';

/**
 * Lets outgoing HTTP requests to the given origins carry the running trace, `traceparent` and `tracestate`, or
 * `x-trace-id`: those of `fetch`, undici, `http.request` and `https.request`, and so of axios and got; for the whole
 * process, until the result is called. The origin is where the request goes, not what its `Host` header says.
 *
 * Left as they are: a request that has a `traceparent` or an `x-trace-id`; one of `http.request` whose headers are a flat list or hold
 * `Expect`, or that goes through a Unix socket or, on Node 20, a `createConnection` without an agent.
 *
 * @throws ValidationError for something that is not an http(s) origin.
 * @example propagateTrace({ origins: ['http://orders.internal:3000'] });
 */
export function propagateTrace(options: PropagateOptions): () => void {
  const origins = new Set(options.origins.map(checkOrigin));
  const onFetch = (message: unknown): void => {
    const { request } = message as { request: UndiciRequest };
    if (!origins.has(String(request.origin)) || hasTrace(fetchHeaders(request.headers))) return;
    inject((name, value) => request.addHeader(name, value));
  };
  const onHttp = (request: ClientRequest): void => {
    // Rendered headers cannot be changed, and trying to would end the process: nobody could catch it.
    if (request.headersSent || hasTrace((name) => request.hasHeader(name))) return;
    const origin = originOfRequest(request);
    if (origin !== undefined && origins.has(origin)) inject((name, value) => request.setHeader(name, value));
  };
  subscribe(FETCH, onFetch);
  const stopHttp = watchHttpRequests(onHttp);
  return () => {
    unsubscribe(FETCH, onFetch);
    stopHttp();
  };
}

function inject(set: (name: string, value: string) => void): void {
  const trace = currentTrace();
  if (trace !== undefined) injectTrace(trace, set);
}

/** undici keeps headers as a flat list of names and values or, in Node 20, as text. */
function fetchHeaders(headers: unknown): (name: string) => boolean {
  if (!Array.isArray(headers)) return (name) => new RegExp(`^${name}:`, 'im').test(String(headers));
  return (name) => headers.some((each, at) => at % 2 === 0 && String(each).toLowerCase() === name);
}

/** Node says which host a request goes to; its port is told by the `Host` header alone, which Node fills in. */
function originOfRequest(request: ClientRequest): string | undefined {
  const { protocol, host, socketPath } = request as ClientRequest & { readonly socketPath?: string };
  if (socketPath !== undefined) return undefined;
  const port = /:\d+$/.exec(String(request.getHeader('host')))?.[0] ?? '';
  return originOf(`${protocol}//${host.includes(':') ? `[${host}]` : host}${port}`);
}

function checkOrigin(value: unknown, at: number): string {
  const origin = typeof value === 'string' ? originOf(value) : undefined;
  if (origin !== undefined && /^https?:/.test(origin)) return origin;
  throw new ValidationError(
    `origins[${at}]`,
    "an http(s) origin such as 'https://orders.internal:8443'",
    value,
  );
}

function originOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).origin : undefined;
}
