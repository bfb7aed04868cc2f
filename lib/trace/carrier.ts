import { createSpanId, isPlainTraceId } from './trace-id.js';
import { createTrace, isW3cTrace, type TraceContext } from './trace.js';
import { formatTraceparent, parseTraceparent } from './traceparent.js';
import { parseTracestate } from './tracestate.js';

/** Reads one header by its lower-case name; several lines of it are joined by commas. */
export type HeaderReader = (name: string) => string | undefined;

/** Longest `x-trace-id` that is looked at. */
const LONGEST_PLAIN = 128;

/**
 * The trace that an incoming call belongs to: `traceparent` with `tracestate`, else `x-trace-id`, else a new one.
 * Whatever the headers hold, it gives a trace and never throws; nothing in it can break a line or a header.
 */
export function extractTrace(read: HeaderReader): TraceContext {
  const parent = parse(read, 'traceparent', parseTraceparent);
  if (parent !== undefined) {
    const tracestate = parse(read, 'tracestate', parseTracestate);
    return {
      traceId: parent.traceId,
      spanId: createSpanId(),
      parentSpanId: parent.parentId,
      flags: parent.flags,
      ...(tracestate !== undefined && { tracestate }),
    };
  }
  const plain = parse(read, 'x-trace-id', (text) =>
    text.length <= LONGEST_PLAIN && isPlainTraceId(text) ? text : undefined,
  );
  return createTrace(plain === undefined ? {} : { traceId: plain });
}

/** Whether headers carry a trace already, so that theirs must not be replaced nor joined by another. */
export function hasTrace(has: (name: string) => boolean): boolean {
  return has('traceparent') || has('x-trace-id');
}

/** Gives the headers that carry `trace` to a callee. An id that is not W3C's travels as `x-trace-id`. */
export function injectTrace(trace: TraceContext, set: (name: string, value: string) => void): void {
  if (!isW3cTrace(trace)) {
    set('x-trace-id', trace.traceId);
    return;
  }
  set('traceparent', formatTraceparent(trace.traceId, trace.spanId, trace.flags));
  if (trace.tracestate !== undefined) set('tracestate', trace.tracestate);
}

function parse<T>(read: HeaderReader, name: string, parser: (text: string) => T | undefined): T | undefined {
  const text = read(name);
  return typeof text === 'string' ? parser(text) : undefined;
}
