import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { ValidationError } from '../errors/validation.error.js';
import { injectTrace } from './carrier.js';
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
/** `http.request`, and so axios and got; Node 20 has no such channel, there it is not covered. */
const HTTP = 'http.client.request.created';

/**
 * Lets outgoing HTTP requests to the given origins carry the running trace, `traceparent` and `tracestate`; for the
 * whole process, until the result is called. A request that has a `traceparent` is left as it is.
 *
 * @throws ValidationError for something that is not an http(s) origin.
 * @example propagateTrace({ origins: ['http://orders.internal:3000'] });
 */
export function propagateTrace(options: PropagateOptions): () => void {
  const origins = new Set(options.origins.map(checkOrigin));
  const onFetch = (message: unknown): void => {
    const { request } = message as { request: UndiciRequest };
    if (!origins.has(String(request.origin)) || hasTrace(request.headers)) return;
    inject((name, value) => request.addHeader(name, value));
  };
  const onHttp = (message: unknown): void => {
    const { request } = message as { request: ClientRequest };
    const origin = originOf(`${request.protocol}//${String(request.getHeader('host'))}`);
    if (origin === undefined || !origins.has(origin) || request.hasHeader('traceparent')) return;
    inject((name, value) => request.setHeader(name, value));
  };
  subscribe(FETCH, onFetch);
  subscribe(HTTP, onHttp);
  return () => {
    unsubscribe(FETCH, onFetch);
    unsubscribe(HTTP, onHttp);
  };
}

function inject(set: (name: string, value: string) => void): void {
  const trace = currentTrace();
  if (trace !== undefined) injectTrace(trace, set);
}

/** undici keeps headers as text or as a flat list, by its version. */
function hasTrace(headers: unknown): boolean {
  const text = Array.isArray(headers) ? headers.map(String).join('\n') : String(headers);
  return /(?:^|\n)traceparent(?::|\n)/i.test(text);
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
