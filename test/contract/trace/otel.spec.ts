import { type Context, type ContextManager, ROOT_CONTEXT, context, trace } from '@opentelemetry/api';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { observeClog } from '../../../lib/testing/observe-clog.js';
import { injectTrace } from '../../../lib/trace/carrier.js';
import { currentTrace, currentTraceId, runWithTrace } from '../../../lib/trace/trace-store.js';

const SPAN = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };
const OTHER = { ...SPAN, spanId: '00f067aa0ba902b7' };

/** The smallest manager the API takes: synchronous. */
class StackContext implements ContextManager {
  #active: Context = ROOT_CONTEXT;

  active(): Context {
    return this.#active;
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    next: Context,
    fn: F,
    self?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    const before = this.#active;
    this.#active = next;
    try {
      return fn.call(self, ...args);
    } finally {
      this.#active = before;
    }
  }

  bind<T>(_context: Context, target: T): T {
    return target;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    return this;
  }
}

beforeEach(() => {
  context.setGlobalContextManager(new StackContext());
});
afterEach(() => context.disable());

const inSpan = <T>(span: typeof SPAN, fn: () => T): T =>
  context.with(trace.setSpan(ROOT_CONTEXT, trace.wrapSpanContext(span)), fn);

it("takes the ids of OpenTelemetry's active span before those of the request", () => {
  const logs = observeClog();
  runWithTrace('job-42', () => {
    inSpan(SPAN, () => logs.clog.info('first'));
    inSpan(OTHER, () => logs.clog.info('second'));
    logs.clog.info('third');
  });
  expect(logs.all().map(({ trace_id, span_id }) => [trace_id, span_id])).toEqual([
    [SPAN.traceId, SPAN.spanId],
    [SPAN.traceId, OTHER.spanId],
    ['job-42', expect.any(String)],
  ]);
});

it('passes them on to callees', () => {
  const headers: Record<string, string> = {};
  inSpan(SPAN, () => {
    expect(currentTraceId()).toBe(SPAN.traceId);
    const running = currentTrace();
    if (running) injectTrace(running, (name, value) => Object.assign(headers, { [name]: value }));
  });
  expect(headers).toEqual({ traceparent: `00-${SPAN.traceId}-${SPAN.spanId}-01` });
});

it('does not take an invalid span', () => {
  const invalid = { traceId: '0'.repeat(32), spanId: '0'.repeat(16), traceFlags: 0 };
  expect(inSpan(invalid, () => runWithTrace('job-42', currentTraceId))).toBe('job-42');
  expect(inSpan(invalid, currentTraceId)).toBeUndefined();
});
