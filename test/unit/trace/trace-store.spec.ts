import { describe, expect, it } from 'vitest';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { createTraceId } from '../../../lib/trace/trace-id.js';
import { currentTrace, currentTraceId, runWithTrace } from '../../../lib/trace/trace-store.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

describe('runWithTrace', () => {
  it('gives the id to all that runs in it, across awaits, and to nothing after it', async () => {
    const seen = await runWithTrace('job-42', async () => {
      const before = currentTraceId();
      await Promise.resolve();
      return [before, currentTraceId()];
    });
    expect(seen).toEqual(['job-42', 'job-42']);
    expect(currentTraceId()).toBeUndefined();
    expect(currentTrace()).toBeUndefined();
  });

  it('returns what the function returns and passes on what it throws', () => {
    expect(runWithTrace({ traceId: TRACE }, () => 7)).toBe(7);
    expect(() =>
      runWithTrace(TRACE, () => {
        throw new RangeError('mine');
      }),
    ).toThrow(RangeError);
  });

  it('nests: the inner trace holds inside, the outer one after it', () => {
    const seen = runWithTrace('outer', () => [runWithTrace('inner', currentTraceId), currentTraceId()]);
    expect(seen).toEqual(['inner', 'outer']);
  });

  it('keeps concurrent traces apart', async () => {
    const ids = Array.from({ length: 200 }, createTraceId);
    const seen = await Promise.all(
      ids.map((id) =>
        runWithTrace(id, async () => {
          await new Promise(setImmediate);
          return currentTraceId();
        }),
      ),
    );
    expect(seen).toEqual(ids);
  });

  it('takes a whole traceparent', () => {
    const trace = runWithTrace(`00-${TRACE}-${SPAN}-00`, currentTrace);
    expect(trace).toMatchObject({ traceId: TRACE, parentSpanId: SPAN, flags: 0 });
  });

  it('takes the span that is given', () => {
    expect(runWithTrace({ traceId: TRACE, spanId: SPAN }, currentTrace)?.spanId).toBe(SPAN);
  });

  it.each([
    ['an empty id', ''],
    ['an id with a line break', 'a\nb'],
    ['an id that is too long', 'a'.repeat(129)],
    ['an object without an id', {}],
    ['a number', 7],
    ['nothing', null],
    ['a span that is not hex', { traceId: TRACE, spanId: 'span' }],
    ['a tracestate that would break a header', { traceId: TRACE, tracestate: 'foo=1\r\nset-cookie: x' }],
    ['a tracestate that is no text', { traceId: TRACE, tracestate: 7 }],
  ])('refuses %s and names the argument', (_name, trace) => {
    let ran = false;
    const call = () =>
      runWithTrace(trace as string, () => {
        ran = true;
      });
    expect(call).toThrow(ValidationError);
    expect(call).toThrow(/^trace/);
    expect(ran).toBe(false);
  });
});
