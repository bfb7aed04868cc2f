import { type IncomingHttpHeaders, type Server, createServer, get } from 'node:http';
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

it('does the same for http.request where Node tells of it (not Node 20)', async () => {
  stop = propagateTrace({ origins: [origin] });
  await runWithTrace(
    TRACE,
    () => new Promise((resolve) => get(origin, (response) => response.resume().on('end', resolve))),
  );
  const told = Number(process.versions.node.split('.')[0]) >= 24;
  if (told) expect(parents()).toEqual([PARENT]);
  else expect(parents()[0] ?? PARENT).toBe(PARENT);
});

it.each(['orders', 'ftp://orders', '', 7])('refuses the origin %j', (each) => {
  expect(() => propagateTrace({ origins: [each as string] })).toThrow(ValidationError);
});
