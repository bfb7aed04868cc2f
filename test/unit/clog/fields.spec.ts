import vm from 'node:vm';
import { describe, expect, it } from 'vitest';
import { memoryClog } from './memory-output.js';

function write(fields: Record<string, unknown>): Record<string, unknown> {
  const { clog, output } = memoryClog();
  clog.info('x', fields);
  expect(output.text).toHaveLength(1);
  expect(output.text[0]?.match(/\n/g)).toHaveLength(1);
  return output.last;
}

describe('a line survives whatever its fields hold', () => {
  it('shows values that JSON has no word for', () => {
    const fields = {
      big: 12_345_678_901_234_567_890n,
      map: new Map<string, unknown>([['a', new Set([1, 2n])]]),
      pairs: new Map([[{ k: 1 }, 'v']]),
      set: new Set(['a']),
      buffer: Buffer.from('hello'),
      bytes: new Uint8Array(100),
      symbol: Symbol('s'),
      fn: function named() {},
      date: new Date(0),
      invalid: new Date(NaN),
      url: new URL('http://a/b'),
      pattern: /x/g,
      none: undefined,
      nil: null,
      nan: NaN,
    };
    expect(write(fields)).toMatchObject({
      big: '12345678901234567890',
      map: { a: [1, '2'] },
      pairs: [[{ k: 1 }, 'v']],
      set: ['a'],
      buffer: '[5 bytes] 68656c6c6f',
      bytes: `[100 bytes] ${'00'.repeat(32)}…`,
      symbol: 'Symbol(s)',
      fn: '[function named]',
      date: '1970-01-01T00:00:00.000Z',
      invalid: '[invalid date]',
      url: 'http://a/b',
      pattern: '/x/g',
      nil: null,
      nan: null,
    });
  });

  it('ends circles, depths and widths', () => {
    const circle: Record<string, unknown> = { a: 1 };
    circle['self'] = circle;
    let deep: Record<string, unknown> = {};
    for (let n = 0; n < 10_000; n++) deep = { deep };
    const record = write({ circle, deep, wide: Array.from({ length: 2000 }, (_, at) => at) });
    expect(record['circle']).toEqual({ a: 1, self: '[circular]' });
    expect(JSON.stringify(record['deep'])).toContain('[too deep]');
    expect((record['wide'] as unknown[]).at(-1)).toBe('[1000 more]');
  });

  it('notes getters, proxies and toJSON that throw, and keeps the other fields', () => {
    const hostile = {
      get boom(): never {
        throw new RangeError('no');
      },
      inner: {
        get boom(): never {
          throw new TypeError('no');
        },
        kept: 1,
      },
      json: {
        toJSON() {
          throw new Error('no');
        },
      },
      proxy: new Proxy(
        {},
        {
          ownKeys() {
            throw new Error('no');
          },
        },
      ),
      kept: 2,
    };
    expect(write(hostile)).toMatchObject({
      boom: '[threw RangeError]',
      inner: { boom: '[threw TypeError]', kept: 1 },
      json: '[threw Error]',
      proxy: '[threw Error]',
      kept: 2,
    });
  });

  it('moves fields that would pass themselves off as the record', () => {
    const { clog, output } = memoryClog();
    clog
      .with({ service: 'other', namespace: 'other' })
      .info('x', { level: 'fatal', time: 0, msg: 'forged', trace_id: 't' });
    expect(output.last).toMatchObject({
      level: 'info',
      msg: 'x',
      service: 'im-gateway',
      namespace: 'im-gateway',
      level_: 'fatal',
      time_: 0,
      msg_: 'forged',
      trace_id_: 't',
      service_: 'other',
    });
    expect(output.last['trace_id']).toBeUndefined();
  });

  it('keeps one line one line, whatever the text', () => {
    const text = 'a\n{"level":"fatal"}\r\u2028\u0000"\\';
    expect(write({ text, ['key\n']: 1 })).toMatchObject({ text, ['key\n']: 1 });
  });

  it('takes a key named __proto__ without touching prototypes', () => {
    const fields = JSON.parse(
      '{"__proto__":{"polluted":true},"map":{"__proto__":{"a":1n}}}'.replace('1n', '1'),
    ) as Record<string, unknown>;
    expect(write({ ...fields, big: 1n })['big']).toBe('1');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('a line stays within bounds', () => {
  const friends = (count: number) => {
    const people = Array.from({ length: count }, (_, id) => ({ id, friends: [] as unknown[] }));
    for (const each of people) each.friends = people.filter((other) => other !== each);
    return people[0];
  };

  it('although its objects refer to one another, in fields, in errors and in with()', () => {
    const err = Object.assign(new Error('why'), { user: friends(20) });
    const { clog, output } = memoryClog();
    clog.info('x', { user: friends(20), n: 1 });
    clog.error('x', { err });
    clog.with({ user: friends(20) }).info('x');
    clog.info('x', { errors: new AggregateError(Array.from({ length: 20 }, () => err)) });
    for (const line of output.text) expect(line.length).toBeLessThan(500_000);
    expect(output.records[0]).toMatchObject({ user: { id: 0, friends: expect.any(Array) as unknown }, n: 1 });
    expect(output.text[0]).toMatch(/\[\d+ more\]/);
  });

  it('although its data share their parts', () => {
    let shared: unknown = { v: 1 };
    for (let level = 0; level < 5; level++) shared = Array.from({ length: 12 }, () => shared);
    const { clog, output } = memoryClog();
    clog.info('x', { shared });
    expect(output.text[0]?.length).toBeLessThan(500_000);
  });

  it('and shows plain data whole up to 10,000 values', () => {
    const rows = Array.from({ length: 900 }, (_, id) => ({ id, tags: ['a', 'b'] }));
    expect(write({ rows })['rows']).toEqual(rows);
  });
});

describe('errors', () => {
  class OrderError extends TypeError {
    readonly code = 'ORDER';
    readonly details = { big: 1n };
  }

  it('print type, message, stack, own fields and causes', () => {
    const cause = new RangeError('inner', { cause: { why: 'plain', n: 2n } });
    const record = write({ err: new OrderError('outer', { cause }) });
    expect(record['err']).toMatchObject({
      type: 'OrderError',
      message: 'outer',
      stack: expect.stringContaining('fields.spec') as string,
      code: 'ORDER',
      details: { big: '1' },
      cause: { type: 'RangeError', message: 'inner', cause: { why: 'plain', n: '2' } },
    });
  });

  it('print each error of an aggregate', () => {
    const record = write({ err: new AggregateError([new TypeError('a'), 'b'], 'both') });
    expect(record['err']).toMatchObject({
      type: 'AggregateError',
      message: 'both',
      aggregateErrors: [{ type: 'TypeError', message: 'a' }, 'b'],
    });
  });

  it('may be under any name, nested, from another realm, or circular', () => {
    const circular = new Error('round');
    circular.cause = circular;
    const record = write({
      reason: new Error('plain'),
      list: [new Error('in list')],
      foreign: vm.runInNewContext('new TypeError("far")') as unknown,
      err: circular,
    });
    expect(record).toMatchObject({
      reason: { type: 'Error', message: 'plain' },
      list: [{ message: 'in list' }],
      foreign: { type: 'TypeError', message: 'far' },
      err: { message: 'round', cause: '[circular]' },
    });
  });

  it('may be given in place of the fields', () => {
    const { clog, output } = memoryClog();
    clog.error('failed', new Error('why'));
    clog.error(new Error('alone'));
    clog.info('told', new Error('info') as never);
    expect(output.records).toMatchObject([
      { msg: 'failed', err: { message: 'why' } },
      { msg: 'alone', err: { message: 'alone' } },
      { msg: 'told', err: { message: 'info' } },
    ]);
  });

  it('of another realm may be given in their place too, and lists and maps', () => {
    const { clog, output } = memoryClog();
    clog.error('failed', vm.runInNewContext('new TypeError("far")'));
    clog.info('list', [1, 'two'] as never);
    clog.info('map', new Map([['a', 1]]) as never);
    clog.info('none', null as never);
    expect(output.records).toMatchObject([
      { msg: 'failed', err: { type: 'TypeError', message: 'far' } },
      { msg: 'list', value: [1, 'two'] },
      { msg: 'map', value: { a: 1 } },
      { msg: 'none' },
    ]);
  });

  it('with throwing getters are told nevertheless', () => {
    const err = Object.defineProperty(new Error('kept'), 'stack', {
      get() {
        throw new Error('no');
      },
    });
    expect(write({ err })['err']).toMatchObject({ type: 'Error', message: 'kept' });
  });
});
