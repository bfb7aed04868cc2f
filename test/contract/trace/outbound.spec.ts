import {
  Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type RequestOptions,
  type Server,
  createServer,
  get,
  request,
} from 'node:http';
import { request as secureRequest } from 'node:https';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { propagateTrace } from '../../../lib/trace/outbound.js';
import { runWithTrace } from '../../../lib/trace/trace-store.js';

const TRACE = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  tracestate: 'foo=1',
};
const PARENT = `00-${TRACE.traceId}-${TRACE.spanId}-01`;

let server: Server;
let origin = '';
let stop = (): void => undefined;
let seen: IncomingHttpHeaders[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push(request.headers);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  origin = `http://127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}`;
});
afterAll(() => server.close());
afterEach(() => {
  stop();
  seen = [];
});

const parents = () => seen.map(({ traceparent }) => traceparent);

it('lets fetch carry the trace to a listed origin, and to no other', async () => {
  stop = propagateTrace({ origins: [origin] });
  await runWithTrace(TRACE, () => fetch(`${origin}/a`));
  await runWithTrace(TRACE, () => fetch(origin.replace('127.0.0.1', 'localhost')).catch(() => undefined));
  await fetch(origin);
  expect(parents().filter(Boolean)).toEqual([PARENT]);
  expect(seen[0]).toMatchObject({ tracestate: 'foo=1' });
});

it('leaves a request that has a traceparent as it is, and stops when told', async () => {
  stop = propagateTrace({ origins: [origin] });
  const own = PARENT.replace('b7', 'b8');
  await runWithTrace(TRACE, () => fetch(origin, { headers: { traceparent: own } }));
  stop();
  await runWithTrace(TRACE, () => fetch(origin));
  expect(parents()).toEqual([own, undefined]);
});

it('leaves an x-trace-id of the caller alone, and adds no second one where somebody else propagates too', async () => {
  const [first, second] = [1, 2].map(() => propagateTrace({ origins: [origin] }));
  stop = () => [first, second].forEach((each) => each?.());
  const own = { headers: { 'x-trace-id': 'own' } };
  const asked = (make: () => ClientRequest) => call(make, 'job-42');
  await runWithTrace('job-42', () => fetch(origin));
  await asked(() => request(origin));
  await runWithTrace('job-42', () => fetch(origin, own));
  await asked(() => request(origin, own));
  expect(seen.map((headers) => headers['x-trace-id'])).toEqual(['job-42', 'job-42', 'own', 'own']);
  await runWithTrace(TRACE, () => fetch(origin, own));
  expect(parents().filter(Boolean)).toEqual([]);
});

/** Makes a request in the trace, which is answered or fails. */
function call(make: () => ClientRequest, trace: string | typeof TRACE = TRACE): Promise<unknown> {
  return runWithTrace(
    trace,
    () =>
      new Promise((resolve, reject) => {
        const made = make();
        made.on('response', (response) => response.resume().on('end', resolve)).on('error', reject);
        made.end();
      }),
  );
}

it('lets http.get and http.request carry it too, with any agent', async () => {
  stop = propagateTrace({ origins: [origin] });
  await call(() => get(origin));
  await call(() => request(`${origin}/a`, { method: 'POST' }));
  await call(() => request(origin, { agent: false }));
  await call(() => request(origin, { agent: new (class extends Agent {})({ keepAlive: true }) }));
  expect(parents()).toEqual([PARENT, PARENT, PARENT, PARENT]);
  expect(seen[0]).toMatchObject({ tracestate: 'foo=1' });
});

it('lets https.request carry it', () => {
  stop = propagateTrace({ origins: ['https://[::1]:9'] });
  const made = runWithTrace(TRACE, () => secureRequest('https://[::1]:9/a'));
  made.on('error', () => undefined).destroy();
  expect(made.getHeader('traceparent')).toBe(PARENT);
});

it.each<[string, (url: string) => RequestOptions]>([
  ['another port', () => ({ headers: {} })],
  ['another host under the name of a listed one', (url) => ({ headers: { host: new URL(url).host } })],
  ['a Unix socket', () => ({ socketPath: '/nowhere' })],
])('tells %s nothing', (_name, options) => {
  const listed = 'http://orders.internal:3000';
  stop = propagateTrace({ origins: [listed, 'http://localhost'] });
  const made = runWithTrace(TRACE, () => request({ host: '127.0.0.1', port: 9, ...options(listed) }));
  made.on('error', () => undefined).destroy();
  expect(made.hasHeader('traceparent')).toBe(false);
});

it('leaves http requests with a traceparent, or whose headers Node has rendered, as they are', async () => {
  stop = propagateTrace({ origins: [origin] });
  const own = PARENT.replace('b7', 'b8');
  await call(() => request(origin, { headers: { traceparent: own } }));
  await call(() => request(origin, { headers: { expect: '100-continue' } }));
  await call(() => request(origin, { headers: ['host', new URL(origin).host, 'a', 'b'] }));
  expect(parents()).toEqual([own, undefined, undefined]);
});

it('leaves nothing behind in Node, in whatever order those who asked for it stop', async () => {
  const agents = Agent.prototype as unknown as { addRequest: unknown };
  const before = agents.addRequest;
  const [first, second] = [propagateTrace({ origins: [origin] }), propagateTrace({ origins: [origin] })];
  first();
  await call(() => get(origin));
  second();
  second();
  await call(() => get(origin));
  expect(parents()).toEqual([PARENT, undefined]);
  expect(agents.addRequest).toBe(before);
});

it('does not break the chain of somebody who patched Node after it', async () => {
  const agents = Agent.prototype as unknown as { addRequest: (this: Agent, ...args: unknown[]) => void };
  const before = agents.addRequest;
  const first = propagateTrace({ origins: [origin] });
  const ours = agents.addRequest;
  let theirs = 0;
  agents.addRequest = function (...args) {
    theirs++;
    ours.apply(this, args);
  };
  await call(() => get(origin));
  first();
  await call(() => get(origin));
  const again = propagateTrace({ origins: [origin] });
  await call(() => get(origin));
  agents.addRequest = ours;
  again();
  expect(agents.addRequest).toBe(before);
  expect([parents(), theirs]).toEqual([[PARENT, undefined, PARENT], 3]);
});

it.each(['orders', 'ftp://orders', '', 7])('refuses the origin %j', (each) => {
  expect(() => propagateTrace({ origins: [each as string] })).toThrow(ValidationError);
});
