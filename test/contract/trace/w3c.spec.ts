import { type IncomingHttpHeaders, type Server, createServer, get } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { traceMiddleware } from '../../../lib/trace/http.middleware.js';
import { propagateTrace } from '../../../lib/trace/outbound.js';

/*
 * The cases of https://github.com/w3c/trace-context/tree/main/test, each as there: a request comes in over HTTP, the
 * service makes one of its own, and what counts is the headers of the latter. The grammars have more cases of their own
 * in test/unit/trace.
 */
const TRACE = '12345678901234567890123456789012';
const PARENT = '1234567890123456';
const VALID = `00-${TRACE}-${PARENT}-01`;

const servers: Server[] = [];
let service = '';
let stop = (): void => undefined;

/** Calls `url` and gives what it answers. */
function answerOf(url: string, headers: Record<string, string | string[]> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}

async function listen(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  return `http://127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}`;
}

beforeAll(async () => {
  const callee = await listen(
    createServer((request, response) => response.end(JSON.stringify(request.headers))),
  );
  service = await listen(
    createServer((request, response) => {
      traceMiddleware(request, response, () => void answerOf(callee).then((text) => response.end(text)));
    }),
  );
  stop = propagateTrace({ origins: [callee] });
});
afterAll(() => {
  stop();
  for (const server of servers) server.close();
});

/** What the service sends on for what comes in. */
async function sent(headers: Record<string, string | string[]>) {
  const seen = JSON.parse(await answerOf(service, headers)) as IncomingHttpHeaders;
  const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(String(seen['traceparent']));
  expect(match, `traceparent: ${String(seen['traceparent'])}`).not.toBeNull();
  const [, traceId = '', parentId = '', flags = ''] = match ?? [];
  expect([traceId, parentId]).not.toContain('0'.repeat(traceId.length));
  return { traceId, parentId, flags, tracestate: seen['tracestate'] };
}

const zeros = (length: number) => '0'.repeat(length);

describe('traceparent', () => {
  it.each<[string, Record<string, string | string[]>, string?]>([
    ['valid', { traceparent: VALID }],
    ['without tracestate', { traceparent: VALID, tracestate: [] }],
    ['in capitals', { TRACEPARENT: VALID }],
    ['in mixed case', { TraceParent: VALID }],
    ['of a future version', { traceparent: `cc-${TRACE}-${PARENT}-01` }],
    [
      'of a future version with more fields',
      { traceparent: `cc-${TRACE}-${PARENT}-01-what-the-future-will-be-like` },
    ],
    ['with white space around it', { traceparent: ` \t${VALID}\t ` }],
    ['not sampled', { traceparent: `00-${TRACE}-${PARENT}-00` }, '00'],
  ])('%s: the trace goes on, with a span of its own', async (_name, headers, kept = '01') => {
    const { traceId, parentId, flags } = await sent(headers);
    expect(traceId).toBe(TRACE);
    expect(parentId).not.toBe(PARENT);
    expect(flags).toBe(kept);
  });

  it.each<[string, Record<string, string | string[]>]>([
    ['missing', {}],
    ['empty', { traceparent: '' }],
    ['twice', { traceparent: [VALID, `00-${TRACE}-${PARENT.replace('1', '2')}-01`] }],
    ['under a name with a dash', { 'trace-parent': VALID }],
    ['under a name with a point', { 'trace.parent': VALID }],
    ['under a name with an underscore', { trace_parent: VALID }],
    ['version 00 with more fields', { traceparent: `${VALID}-what` }],
    ['version 00 with a dash behind', { traceparent: `${VALID}-` }],
    ['a future version that goes on without a dash', { traceparent: `cc-${TRACE}-${PARENT}-01.what` }],
    ['version ff', { traceparent: `ff-${TRACE}-${PARENT}-01` }],
    ['a version of illegal characters', { traceparent: `.0-${TRACE}-${PARENT}-01` }],
    ['a version of three digits', { traceparent: `000-${TRACE}-${PARENT}-01` }],
    ['a version of one digit', { traceparent: `0-${TRACE}-${PARENT}-01` }],
    ['a trace id of zeros', { traceparent: `00-${zeros(32)}-${PARENT}-01` }],
    ['a trace id of illegal characters', { traceparent: `00-.${TRACE.slice(1)}-${PARENT}-01` }],
    ['a long trace id', { traceparent: `00-${TRACE}3-${PARENT}-01` }],
    ['a short trace id', { traceparent: `00-${TRACE.slice(1)}-${PARENT}-01` }],
    ['a parent id of zeros', { traceparent: `00-${TRACE}-${zeros(16)}-01` }],
    ['a parent id of illegal characters', { traceparent: `00-${TRACE}-.${PARENT.slice(1)}-01` }],
    ['a long parent id', { traceparent: `00-${TRACE}-${PARENT}7-01` }],
    ['a short parent id', { traceparent: `00-${TRACE}-${PARENT.slice(1)}-01` }],
    ['flags of illegal characters', { traceparent: `00-${TRACE}-${PARENT}-.0` }],
    ['long flags', { traceparent: `00-${TRACE}-${PARENT}-001` }],
    ['short flags', { traceparent: `00-${TRACE}-${PARENT}-1` }],
  ])('%s: a new trace, without the tracestate', async (_name, headers) => {
    const { traceId, tracestate } = await sent({ ...headers, tracestate: 'foo=1' });
    expect(traceId).not.toBe(TRACE);
    expect(tracestate).toBeUndefined();
  });
});

describe('tracestate', () => {
  it.each<[string, Record<string, string | string[]>, string | undefined]>([
    ['one member', { tracestate: 'foo=1' }, 'foo=1'],
    ['in capitals', { TraceState: 'foo=1' }, 'foo=1'],
    ['under another name', { 'trace-state': 'foo=1' }, undefined],
    ['empty', { tracestate: '' }, undefined],
    [
      'several headers',
      { tracestate: ['foo=1', '', 'rojo=1,congo=2', 'baz=3'] },
      'foo=1,rojo=1,congo=2,baz=3',
    ],
    ['white space around members', { tracestate: 'foo=1 \t , \t bar=2, \t baz=3' }, 'foo=1,bar=2,baz=3'],
    ['all characters of a key', { tracestate: '0a_*/-@a-_0*/=1' }, '0a_*/-@a-_0*/=1'],
    ['a key twice', { tracestate: 'foo=1,foo=2' }, 'foo=1'],
    ['a key of illegal characters', { tracestate: 'foo @=1' }, undefined],
    ['a key with two systems', { tracestate: 'foo@bar@baz=1' }, undefined],
    ['a key that is too long', { tracestate: `${'z'.repeat(257)}=1` }, undefined],
    ['33 members', { tracestate: Array.from({ length: 33 }, (_, n) => `bar${n}=1`).join(',') }, undefined],
    ['a value of illegal characters', { tracestate: 'foo=bar=baz' }, undefined],
    ['no value', { tracestate: 'foo=' }, undefined],
  ])('%s', async (_name, headers, kept) => {
    const { traceId, tracestate } = await sent({ traceparent: VALID, ...headers });
    expect([traceId, tracestate]).toEqual([TRACE, kept]);
  });
});

it('several requests, with and without a valid traceparent, each keep to their own trace', async () => {
  const ids = [1, 2, 3].map((n) => `${n}`.repeat(32));
  const valid = await Promise.all(ids.map((id) => sent({ traceparent: `00-${id}-${PARENT}-01` })));
  expect(valid.map(({ traceId }) => traceId)).toEqual(ids);
  const others = await Promise.all([sent({}), sent({}), sent({ traceparent: 'foobar' }), sent({})]);
  expect(new Set(others.map(({ traceId }) => traceId)).size).toBe(4);
  expect(new Set([...valid, ...others].map(({ parentId }) => parentId)).size).toBe(7);
});
