import { createTrace, type TraceContext } from './trace.js';

/*
 * OpenTelemetry's API keeps what is registered under a global symbol, so that its copies in one process share it:
 * https://github.com/open-telemetry/opentelemetry-js-api, `internal/global-utils` and `trace/context-utils`. Reading
 * it there needs no import, and costs one property access where OpenTelemetry is absent. test/contract pins it down.
 */
const OTEL_API = Symbol.for('opentelemetry.js.api.1');
const SPAN_KEY = Symbol.for('OpenTelemetry Context Key SPAN');

interface OtelSpanContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly traceState?: { serialize(): string };
}

interface OtelApi {
  readonly context?: {
    active(): { getValue(key: symbol): { spanContext(): OtelSpanContext } | undefined };
  };
}

/** Whether OpenTelemetry's context is registered: a look into `globalThis`, 40 ns, too much for every line. */
export function hasOtelContext(): boolean {
  return (globalThis as { [OTEL_API]?: OtelApi })[OTEL_API]?.context !== undefined;
}

/** The context of OpenTelemetry's active span, or `undefined`: no OpenTelemetry, no span, or not a valid one. */
export function activeOtelSpan(): OtelSpanContext | undefined {
  const api = (globalThis as { [OTEL_API]?: OtelApi })[OTEL_API];
  if (api?.context === undefined) return undefined;
  const span = api.context.active().getValue(SPAN_KEY)?.spanContext();
  return span === undefined || /^0*$/.test(span.traceId) ? undefined : span;
}

/** The active span as a trace that can be passed on. */
export function otelTrace(span: OtelSpanContext): TraceContext {
  const tracestate = span.traceState?.serialize();
  return createTrace({
    traceId: span.traceId,
    spanId: span.spanId,
    flags: span.traceFlags,
    ...(tracestate !== undefined && tracestate !== '' && { tracestate }),
  });
}
