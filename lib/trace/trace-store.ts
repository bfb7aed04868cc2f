import { AsyncLocalStorage } from 'node:async_hooks';
import { ValidationError } from '../errors/validation.error.js';
import { activeOtelSpan, otelTrace } from './otel.js';
import { isPlainTraceId, isW3cSpanId } from './trace-id.js';
import { createTrace, type TraceContext } from './trace.js';
import { parseTraceparent } from './traceparent.js';
import { parseTracestate } from './tracestate.js';

/**
 * One request's place in memory: its trace, and what others cache for as long as it lasts. The cache lives here so
 * that it dies with the request, without anybody sweeping.
 */
export class TraceStore {
  readonly trace: TraceContext;
  /** Filled on first use by whoever caches; the key is the owner of the value. */
  cache: Map<object, unknown> | undefined = undefined;

  constructor(trace: TraceContext) {
    this.trace = trace;
  }
}

const KEY = Symbol.for('im-infra:trace-store');
type Global = { [KEY]?: AsyncLocalStorage<TraceStore> };

/** One store a process, shared by the ESM and the CommonJS build of this package. */
const storage: AsyncLocalStorage<TraceStore> = ((globalThis as Global)[KEY] ??=
  new AsyncLocalStorage<TraceStore>());

/** The store of the running request, or `undefined` outside of one. */
export function currentStore(): TraceStore | undefined {
  return storage.getStore();
}

/** Runs `fn`, and all that it awaits or starts, in `store`. */
export function runInStore<T>(store: TraceStore | undefined, fn: () => T): T {
  return store === undefined ? fn() : storage.run(store, fn);
}

/** The trace that a log line or an outbound call belongs to now; OpenTelemetry's active span wins. */
export function currentTrace(): TraceContext | undefined {
  const span = activeOtelSpan();
  return span === undefined ? storage.getStore()?.trace : otelTrace(span);
}

/** The id of the trace that is running, or `undefined` outside of one. */
export function currentTraceId(): string | undefined {
  return activeOtelSpan()?.traceId ?? storage.getStore()?.trace.traceId;
}

/**
 * Runs `fn` in a trace, so that its log lines and outbound calls carry the id, across every `await` inside it. For
 * cron jobs, queue consumers and scripts; requests get theirs from the middleware and the interceptors.
 *
 * @param trace an id (W3C's 32 hex digits, or 1 to 128 letters, digits and `. _ : @ / = + -`), a whole `traceparent`
 * header, or an object with the id and, if known, the span. {@link createTraceId} makes a new id.
 * @throws ValidationError for anything else.
 * @example await runWithTrace(job.traceId, () => process(job))
 */
export function runWithTrace<T>(
  trace: string | { readonly traceId: string; readonly spanId?: string; readonly tracestate?: string },
  fn: () => T,
): T {
  return storage.run(new TraceStore(readTrace(trace)), fn);
}

function readTrace(trace: unknown): TraceContext {
  if (typeof trace === 'string') {
    const parent = parseTraceparent(trace);
    if (parent !== undefined) {
      return createTrace({ traceId: parent.traceId, parentSpanId: parent.parentId, flags: parent.flags });
    }
    return createTrace({ traceId: checkTraceId('trace', trace) });
  }
  if (typeof trace !== 'object' || trace === null)
    return createTrace({ traceId: checkTraceId('trace', trace) });
  const { traceId, spanId, tracestate } = trace as Partial<TraceContext>;
  if (spanId !== undefined && !(typeof spanId === 'string' && isW3cSpanId(spanId))) {
    throw new ValidationError('trace.spanId', '16 lower-case hex digits that are not all zero', spanId);
  }
  const state = checkTracestate(tracestate);
  return createTrace({
    traceId: checkTraceId('trace.traceId', traceId),
    ...(spanId !== undefined && { spanId }),
    ...(state !== undefined && { tracestate: state }),
  });
}

/** It becomes a header: what does not belong in one would make outbound calls fail, far from here. */
function checkTracestate(tracestate: unknown): string | undefined {
  if (tracestate === undefined || tracestate === '') return undefined;
  const kept = typeof tracestate === 'string' ? parseTracestate(tracestate) : undefined;
  if (kept !== undefined) return kept;
  throw new ValidationError(
    'trace.tracestate',
    "a W3C tracestate such as 'vendor=value,other=1'",
    tracestate,
  );
}

function checkTraceId(argument: string, id: unknown): string {
  if (typeof id === 'string' && isPlainTraceId(id)) return id;
  throw new ValidationError(
    argument,
    "a trace id of 1 to 128 letters, digits and . _ : @ / = + - that starts with a letter or digit, or a 'traceparent'",
    id,
  );
}
