import { describe, expect, it } from 'vitest';
import { extractTrace, injectTrace } from '../../../lib/trace/carrier.js';
import { createTrace } from '../../../lib/trace/trace.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const from = (headers: Record<string, string>) => extractTrace((name) => headers[name]);

function headersOf(trace: ReturnType<typeof createTrace>): Record<string, string> {
  const headers: Record<string, string> = {};
  injectTrace(trace, (name, value) => {
    headers[name] = value;
  });
  return headers;
}

describe('a trace between two processes', () => {
  it('keeps the trace id and takes a span of its own under the caller', () => {
    const trace = from({ traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'foo=1 , bar=2' });
    expect(trace).toMatchObject({ traceId: TRACE, parentSpanId: SPAN, flags: 1, tracestate: 'foo=1,bar=2' });
    expect(trace.spanId).toMatch(/^[0-9a-f]{16}$/);
    expect(trace.spanId).not.toBe(SPAN);
  });

  it('prefers traceparent to x-trace-id', () => {
    expect(from({ traceparent: `00-${TRACE}-${SPAN}-00`, 'x-trace-id': 'mine' }).traceId).toBe(TRACE);
  });

  it('takes x-trace-id where traceparent is missing or invalid, without its tracestate', () => {
    expect(from({ 'x-trace-id': 'job-42' }).traceId).toBe('job-42');
    const trace = from({ traceparent: 'junk', tracestate: 'foo=1', 'x-trace-id': 'job-42' });
    expect(trace.traceId).toBe('job-42');
    expect(trace.tracestate).toBeUndefined();
  });

  it('starts a new, sampled trace where nothing usable came in', () => {
    const trace = from({ 'x-trace-id': 'a b', tracestate: 'foo=1' });
    expect(trace.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(trace).toMatchObject({ flags: 1 });
    expect(trace.parentSpanId).toBeUndefined();
    expect(from({}).traceId).not.toBe(trace.traceId);
  });

  it.each([
    ['a line break', 'abc\n{"level":"fatal"}'],
    ['a carriage return', 'abc\r\nset-cookie: x'],
    ['a quote', 'abc","level":"fatal'],
    ['8 KiB', 'a'.repeat(8192)],
    ['nothing', ''],
    ['a terminal escape', '\u001b[31mred'],
  ])('does not take an x-trace-id with %s', (_name, id) => {
    expect(from({ 'x-trace-id': id }).traceId).toMatch(/^[0-9a-f]{32}$/);
  });

  it('sends a W3C id as traceparent with its tracestate, and any other as x-trace-id', () => {
    const trace = createTrace({ traceId: TRACE, spanId: SPAN, flags: 0, tracestate: 'foo=1' });
    expect(headersOf(trace)).toEqual({ traceparent: `00-${TRACE}-${SPAN}-00`, tracestate: 'foo=1' });
    expect(headersOf(createTrace({ traceId: 'job-42' }))).toEqual({ 'x-trace-id': 'job-42' });
  });
});
