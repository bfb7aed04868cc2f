import { createSpanId, createTraceId, isW3cTraceId } from './trace-id.js';

/** Where a call stands in its trace. Immutable; one is made for each request, job or message stream. */
export interface TraceContext {
  /** 32 hex digits, or the id that came in `x-trace-id` or was given to `runWithTrace`. */
  readonly traceId: string;
  /** This process's part in the trace: 16 hex digits. */
  readonly spanId: string;
  /** The caller's span, where there is one. */
  readonly parentSpanId?: string;
  /** W3C trace flags. @default 1, sampled */
  readonly flags: number;
  /** Vendors' state, passed on unchanged. */
  readonly tracestate?: string;
}

/**
 * A trace that starts here is marked as sampled: it is recorded, in the log, and a callee whose sampler follows its
 * parent would otherwise drop all its spans.
 */
const SAMPLED = 1;

/** Fills what is missing: new ids, the sampled flag. */
export function createTrace(known: Partial<TraceContext> = {}): TraceContext {
  return {
    traceId: known.traceId ?? createTraceId(),
    spanId: known.spanId ?? createSpanId(),
    flags: known.flags ?? SAMPLED,
    ...(known.parentSpanId !== undefined && { parentSpanId: known.parentSpanId }),
    ...(known.tracestate !== undefined && { tracestate: known.tracestate }),
  };
}

/** Whether the trace can travel as a `traceparent`. */
export function isW3cTrace(trace: TraceContext): boolean {
  return isW3cTraceId(trace.traceId);
}
