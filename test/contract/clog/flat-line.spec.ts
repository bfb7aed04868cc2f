import { tracingChannel } from 'node:diagnostics_channel';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { ClogOptions } from '../../../lib/clog/clog.options.js';
import { runWithTrace } from '../../../lib/trace/trace-store.js';
import { memoryClog } from '../../unit/clog/memory-output.js';

const timestamp = () => ',"time":0';
const TRACE = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };

/** A logger of each kind with the same settings, and the lines of both. */
function pair() {
  const { clog, output } = memoryClog({ pino: { timestamp } });
  const lines: string[] = [];
  const root = pino(
    {
      level: 'trace',
      base: { service: 'im-gateway' },
      timestamp,
      formatters: { level: (level) => ({ level }) },
    },
    { write: (line: string) => void lines.push(line) },
  );
  const raw = root.child({ namespace: 'user' }).child({ trace_id: TRACE.traceId, span_id: TRACE.spanId });
  return { clog: clog.namespace('user'), output, raw, lines };
}

const CHARACTERS = 'abz 09"\\/\n\r\t\b\0\u001f\u007fé߿\u2028\uffff{}:,';

/** Strings of all lengths and characters, numbers of all kinds, booleans. */
function value(random: (below: number) => number): string | number | boolean {
  const numbers = [
    0,
    -0,
    1,
    -1.5,
    1e21,
    1e-7,
    NaN,
    Infinity,
    -Infinity,
    Number.MAX_SAFE_INTEGER,
    random(1e9),
  ];
  switch (random(4)) {
    case 0:
      return numbers[random(numbers.length)] ?? 0;
    case 1:
      return random(2) === 0;
    default: {
      const length = random(10) === 0 ? 95 + random(20) : random(12);
      return Array.from({ length }, () => CHARACTERS[random(CHARACTERS.length)]).join('');
    }
  }
}

describe("a line that clog makes without pino's help", () => {
  it('has the bytes of pino for 5,000 random records', () => {
    const { clog, output, raw, lines } = pair();
    let state = 11;
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    expect(clog.core.flat).toBe(true);
    runWithTrace(TRACE, () => {
      for (let round = 0; round < 5000; round++) {
        const fields: Record<string, unknown> = {};
        for (let left = random(5); left > 0; left--) fields[`f${String(value(random))}`] = value(random);
        const level = (['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const)[random(6)] ?? 'info';
        const message = String(value(random));
        clog[level](message, fields);
        raw[level](fields, message);
      }
    });
    expect(output.text.length).toBe(5000);
    expect(output.text.findIndex((line, at) => line !== lines[at])).toBe(-1);
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['an object', { a: { b: [1, 'two', null] } }],
    ['a list', [1, 2]],
  ])('leaves %s to pino, with the same bytes', (_name, each) => {
    const { clog, output, raw, lines } = pair();
    runWithTrace(TRACE, () => clog.info('x', { before: 1, each, after: 'y' }));
    raw.info({ before: 1, each, after: 'y' }, 'x');
    expect(output.text).toEqual(lines);
  });

  it('does not write half of a character', () => {
    const { clog, output } = pair();
    clog.info('x', { half: 'a\ud83d', whole: '\u{1f600}' });
    expect(output.text[0]).toContain(String.raw`"half":"a\ud83d","whole":"😀"`);
  });

  it('takes no fields from a prototype', () => {
    const { clog, output } = pair();
    clog.info('x', Object.assign(Object.create({ inherited: 1 }) as object, { own: 2 }));
    expect(output.last).toMatchObject({ own: 2 });
    expect(output.last).not.toHaveProperty('inherited');
  });
});

describe('options of pino that flat lines know nothing of', () => {
  it.each<[string, ClogOptions, Record<string, unknown>]>([
    ['redact', { redact: ['a'] }, { a: '[Redacted]' }],
    ['redact in the options of pino', { pino: { redact: ['a'] } }, { a: '[Redacted]' }],
    ['a serializer', { pino: { serializers: { a: () => 'serialized' } } }, { a: 'serialized' }],
    ['a mixin', { pino: { mixin: () => ({ mixed: 1 }) } }, { mixed: 1 }],
    ['a formatter', { pino: { formatters: { log: () => ({ formatted: 1 }) } } }, { formatted: 1 }],
    ['a prefix', { pino: { msgPrefix: '[a] ' } }, { msg: '[a] x' }],
    ['a nested key', { pino: { nestedKey: 'fields' } }, { fields: { a: 'b' } }],
    ['another name for messages', { pino: { messageKey: 'message' } }, { message: 'x' }],
    [
      'a hook on methods',
      {
        pino: {
          hooks: {
            logMethod(args, method) {
              method.apply(this, [args[0], 'hooked']);
            },
          },
        },
      },
      { msg: 'hooked' },
    ],
    [
      'a hook on lines',
      { pino: { hooks: { streamWrite: (line) => line.replace('"x"', '"hooked"') } } },
      { msg: 'hooked' },
    ],
  ])('%s', (_name, options, expected) => {
    const { clog, output } = memoryClog(options);
    clog.info('x', { a: 'b' });
    expect(clog.core.flat).toBe(false);
    expect(output.last).toMatchObject(expected);
  });

  it('a tracer on what pino serializes', () => {
    const { clog, output } = memoryClog();
    const tracing = tracingChannel<unknown, { arguments: unknown[] }>('pino_asJson');
    const subscriber = {
      start(message: unknown) {
        Object.assign((message as { arguments: object[] }).arguments[0] ?? {}, { traced: 1 });
      },
    };
    tracing.start.subscribe(subscriber.start);
    clog.info('x', { a: 'b' });
    tracing.start.unsubscribe(subscriber.start);
    clog.info('x', { a: 'b' });
    expect(output.records.map(({ traced }) => traced)).toEqual([1, undefined]);
  });
});
