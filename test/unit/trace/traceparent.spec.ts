import { describe, expect, it } from 'vitest';
import { formatTraceparent, parseTraceparent } from '../../../lib/trace/traceparent.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

describe('parseTraceparent', () => {
  it('reads version 00', () => {
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-01`)).toEqual({ traceId: TRACE, parentId: SPAN, flags: 1 });
  });

  it.each([
    ['a future version of the same length', `cc-${TRACE}-${SPAN}-01`],
    ['a future version with more fields', `cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`],
    ['a future version that ends in a dash', `cc-${TRACE}-${SPAN}-01-`],
    ['white space around it', `\t 00-${TRACE}-${SPAN}-01 \t`],
  ])('reads %s', (_name, header) => {
    expect(parseTraceparent(header)?.traceId).toBe(TRACE);
  });

  it.each([
    ['an empty header', ''],
    ['version ff', `ff-${TRACE}-${SPAN}-01`],
    ['version 00 with more fields', `00-${TRACE}-${SPAN}-01-what`],
    ['version 00 that ends in a dash', `00-${TRACE}-${SPAN}-01-`],
    ['a future version that goes on without a dash', `cc-${TRACE}-${SPAN}-01.what`],
    ['a version of illegal characters', `.0-${TRACE}-${SPAN}-01`],
    ['a version of one digit', `0-${TRACE}-${SPAN}-01`],
    ['a version of three digits', `000-${TRACE}-${SPAN}-01`],
    ['a trace id of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['a trace id in capitals', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['a trace id with illegal characters', `00-.${TRACE.slice(1)}-${SPAN}-01`],
    ['a short trace id', `00-${TRACE.slice(1)}-${SPAN}-01`],
    ['a long trace id', `00-${TRACE}0-${SPAN}-01`],
    ['a parent id of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['a parent id with illegal characters', `00-${TRACE}-.${SPAN.slice(1)}-01`],
    ['a short parent id', `00-${TRACE}-${SPAN.slice(1)}-01`],
    ['a long parent id', `00-${TRACE}-${SPAN}0-01`],
    ['flags of illegal characters', `00-${TRACE}-${SPAN}-.0`],
    ['short flags', `00-${TRACE}-${SPAN}-1`],
    ['long flags', `00-${TRACE}-${SPAN}-001`],
    ['two headers joined', `00-${TRACE}-${SPAN}-01,00-${TRACE}-${SPAN}-01`],
    ['a line break', `00-${TRACE}-${SPAN}-01\n`],
    ['8 KiB', `00-${TRACE}-${SPAN}-01-${'a'.repeat(8192)}`],
  ])('refuses %s', (_name, header) => {
    expect(parseTraceparent(header)).toBeUndefined();
  });

  it('keeps the flags that are defined and clears the others', () => {
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-ff`)?.flags).toBe(3);
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-00`)?.flags).toBe(0);
  });

  it('writes what it reads', () => {
    const header = formatTraceparent(TRACE, SPAN, 1);
    expect(header).toBe(`00-${TRACE}-${SPAN}-01`);
    expect(parseTraceparent(header)).toEqual({ traceId: TRACE, parentId: SPAN, flags: 1 });
  });
});
