import { describe, expect, it } from 'vitest';
import type { ClogOptions } from '../../../lib/clog/clog.options.js';
import { ClogService } from '../../../lib/clog/clog.service.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { runWithTrace } from '../../../lib/trace/trace-store.js';
import { memoryClog } from './memory-output.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';

describe('a record', () => {
  it('has time, level, msg, service, namespace and the fields', () => {
    const { clog, output } = memoryClog();
    const before = Date.now();
    clog.namespace('user').info('signed in', { userId: 7 });
    expect(output.last).toEqual({
      level: 'info',
      time: expect.any(Number) as number,
      service: 'im-gateway',
      namespace: 'user',
      userId: 7,
      msg: 'signed in',
    });
    expect(output.last['time']).toBeGreaterThanOrEqual(before);
  });

  it('carries the service as namespace where none was named', () => {
    const { clog, output } = memoryClog();
    clog.info('up');
    expect(output.last['namespace']).toBe('im-gateway');
  });

  it('has the version of the service where there is one', () => {
    const { clog, output } = memoryClog({ service: { name: 'im-gateway', version: '1.4.0' } });
    clog.info('x', { version: 7 });
    expect(output.last).toMatchObject({ service: 'im-gateway', service_version: '1.4.0', version: 7 });
    expect(clog.core.flat).toBe(true);
  });

  it.each(['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const)(
    'is written at level %s',
    (level) => {
      const { clog, output } = memoryClog();
      clog[level]('hello', { n: 1 });
      expect(output.last).toMatchObject({ level, msg: 'hello', n: 1 });
    },
  );

  it('carries the trace inside of one, and no trace outside', () => {
    const { clog, output } = memoryClog();
    const user = clog.namespace('user');
    runWithTrace({ traceId: TRACE, spanId: 'b7ad6b7169203331' }, () => {
      user.info('first');
      user.info('second');
      clog.with({ job: 1 }).info('third');
    });
    user.info('after');
    expect(output.records.map(({ trace_id, span_id }) => [trace_id, span_id])).toEqual([
      [TRACE, 'b7ad6b7169203331'],
      [TRACE, 'b7ad6b7169203331'],
      [TRACE, 'b7ad6b7169203331'],
      [undefined, undefined],
    ]);
  });

  it('keeps each of many interleaved traces to its lines', async () => {
    const { clog, output } = memoryClog();
    const user = clog.namespace('user');
    const child = user.with({ shared: true });
    await Promise.all(
      Array.from({ length: 100 }, (_, at) =>
        runWithTrace(`job-${at}`, async () => {
          for (let step = 0; step < 3; step++) {
            await new Promise(setImmediate);
            user.info('step', { at });
            child.info('step', { at });
          }
        }),
      ),
    );
    expect(output.text).toHaveLength(600);
    for (const { trace_id, at } of output.records) expect(trace_id).toBe(`job-${String(at)}`);
  });
});

describe('namespaces', () => {
  it('grow with each call, once in the line', () => {
    const { clog, output } = memoryClog();
    clog.namespace('im-gateway').namespace('user').namespace('auth').info('x');
    expect(output.last['namespace']).toBe('im-gateway.user.auth');
    expect(output.text.at(-1)?.split('"namespace"')).toHaveLength(2);
    clog.module('user').module('auth').info('x');
    expect(output.last['namespace']).toBe('user.auth');
  });

  it('keep the fields of with()', () => {
    const { clog, output } = memoryClog();
    clog.with({ tenant: 'a', user: 1 }).namespace('user').with({ user: 2 }).info('x', { n: 3 });
    expect(output.last).toMatchObject({ namespace: 'user', tenant: 'a', user: 2, n: 3 });
    expect(output.text.at(-1)?.split('"user":')).toHaveLength(2);
  });

  it.each(['', '.', 'a..b', 'a.', 'a b', 'a*', 'a\nb', 7, undefined])('refuse the name %j', (name) => {
    const { clog } = memoryClog();
    expect(() => clog.namespace(name as string)).toThrow(ValidationError);
    expect(() => clog.namespace(name as string)).toThrow(/^namespace takes/);
  });
});

describe('levels', () => {
  it('hold back what is below them', () => {
    const { clog, output } = memoryClog({ level: 'warn' });
    clog.info('no');
    clog.log('no');
    clog.debug('no');
    clog.warn('yes');
    expect(output.messages).toEqual(['yes']);
    expect(clog.isLevelEnabled('info')).toBe(false);
    expect(clog.isLevelEnabled('error')).toBe(true);
    expect(clog.level).toBe('warn');
  });

  it('change at run time for one namespace and all below it, also for loggers and requests that exist', () => {
    const { clog, output } = memoryClog({ level: 'info' });
    const user = clog.namespace('im-gateway').namespace('user');
    const auth = user.namespace('auth');
    const users = clog.namespace('im-gateway.users');
    const fields = auth.with({ n: 1 });
    runWithTrace(TRACE, () => {
      auth.debug('before');
      clog.setLevel('debug', 'im-gateway.user.*');
      auth.debug('during');
    });
    fields.debug('fields');
    users.debug('not this one');
    clog.debug('nor this one');
    expect(output.messages).toEqual(['during', 'fields']);
    expect([user.level, auth.level, users.level, clog.level]).toEqual(['debug', 'debug', 'info', 'info']);
  });

  it('take the longest prefix, more and less talkative, with or without the service in front', () => {
    const { clog } = memoryClog({
      level: 'info',
      levels: { user: 'debug', 'im-gateway.user.auth': 'error', other: 'trace' },
    });
    expect(clog.namespace('user').level).toBe('debug');
    expect(clog.namespace('user.auth').level).toBe('error');
    expect(clog.namespace('user.auth.token').level).toBe('error');
    expect(clog.namespace('user.profile').level).toBe('debug');
    expect(clog.namespace('users').level).toBe('info');
  });

  it('are set by assignment for the namespace and below', () => {
    const { clog } = memoryClog({ level: 'info' });
    const user = clog.namespace('user');
    user.level = 'trace';
    expect([clog.level, user.level, user.namespace('auth').level]).toEqual(['info', 'trace', 'trace']);
    clog.level = 'error';
    expect([clog.level, user.level]).toEqual(['error', 'trace']);
  });

  it('hold for the pino loggers that other libraries are given, before and after they were changed', () => {
    const { clog, output } = memoryClog({ level: 'info' });
    const user = clog.namespace('user');
    runWithTrace(TRACE, () => {
      user.info('written by clog');
      clog.setLevel('warn', 'user');
      const { pino, currentPino } = user;
      const fields = user.with({ n: 1 }).pino;
      for (const each of [pino, currentPino, fields]) each.info('no');
      clog.setLevel('debug', 'user');
      for (const each of [pino, currentPino, fields]) each.debug('yes');
    });
    expect(output.messages).toEqual(['written by clog', 'yes', 'yes', 'yes']);
    expect(output.records.map(({ trace_id, n }) => [trace_id, n])).toEqual([
      [TRACE, undefined],
      [undefined, undefined],
      [TRACE, undefined],
      [undefined, 1],
    ]);
  });

  it('can be silent', () => {
    const { clog, output } = memoryClog({ level: 'silent' });
    clog.fatal('no');
    expect(output.text).toEqual([]);
    expect(clog.isLevelEnabled('fatal')).toBe(false);
  });

  it('refuse names that are none, with the argument and what it takes', () => {
    const { clog } = memoryClog();
    expect(() => clog.setLevel('verbose' as 'trace')).toThrow(/^level takes one of 'trace', 'debug'/);
    expect(() => clog.isLevelEnabled('loud' as 'trace')).toThrow(ValidationError);
    expect(() => clog.setLevel('debug', 'a.*.b')).toThrow(/^namespacePattern takes/);
    expect(() => {
      clog.level = 'x' as 'trace';
    }).toThrow(ValidationError);
  });
});

describe('ClogService.create', () => {
  it.each([
    [{ level: 'verbose' }, 'clog.level'],
    [{ levels: { user: 'loud' } }, 'clog.levels["user"]'],
    [{ levels: { 'a..b': 'info' } }, 'clog.levels'],
    [{ levels: [] }, 'clog.levels'],
    [{ format: 'xml' }, 'clog.format'],
    [{ output: '' }, 'clog.output'],
    [{ output: '/proc/no/such/folder/file.log' }, 'clog.output'],
    [{ addSource: 'yes' }, 'clog.addSource'],
    [{ redact: 'password' }, 'clog.redact'],
    [{ redact: ['a['] }, 'clog.redact'],
    [{ rotation: { maxSize: 0 } }, 'clog.rotation.maxSize'],
    [{ rotation: { maxBackups: 1.5 } }, 'clog.rotation.maxBackups'],
    [{ rotation: { maxAge: -1 } }, 'clog.rotation.maxAge'],
    [{ rotation: { compress: 1 } }, 'clog.rotation.compress'],
    [{ rotation: { size: 1 } }, 'clog.rotation.size'],
    [{ until: 'soon' }, 'clog.until'],
    [{ pino: { transport: { target: 'pino-pretty' } } }, 'clog.pino.transport'],
    [{ pino: { level: 'debug' } }, 'clog.pino.level'],
    [{ colour: true }, 'clog.colour'],
    [{ constructor: 1 }, 'clog.constructor'],
    [{ service: { name: '' } }, 'service.name'],
    [{ service: undefined }, 'service'],
  ])('refuses %j and names %s', (options, argument) => {
    const create = () =>
      ClogService.create({ service: { name: 'a' }, ...options } as Parameters<typeof ClogService.create>[0]);
    expect(create).toThrow(ValidationError);
    try {
      create();
    } catch (error) {
      expect((error as ValidationError).argument).toBe(argument);
    }
  });

  it('refuses to be called with nothing', () => {
    expect(() => ClogService.create(undefined as never)).toThrow(/^options takes/);
  });
});

describe('redact', () => {
  it('hides values in fields and in with()', () => {
    const { clog, output } = memoryClog({ redact: ['password', 'user.card', '*.secret'] });
    clog
      .with({ password: 'hush-canary-1' })
      .info('x', { user: { card: 'hush-canary-2', id: 1 }, deep: { secret: 'hush-canary-3' } });
    expect(output.last).toMatchObject({
      password: '[Redacted]',
      user: { card: '[Redacted]', id: 1 },
      deep: { secret: '[Redacted]' },
    });
    expect(JSON.stringify(output.last)).not.toContain('hush-canary');
  });
});

describe('redact of clog and of pino', () => {
  it.each<[string, ClogOptions['pino'] & object, unknown]>([
    ['a list', { redact: ['password'] }, '[Redacted]'],
    ['an object', { redact: { paths: ['password'], censor: '***' } }, '***'],
  ])('both hide values, the latter given as %s', (_name, pino, hidden) => {
    const { clog, output } = memoryClog({ redact: ['token'], pino });
    clog.info('x', { token: 't', password: 'p' });
    expect(output.last).toMatchObject({ token: hidden, password: hidden });
  });
});

describe('pino options', () => {
  it('reach pino', () => {
    const { clog, output } = memoryClog({
      pino: {
        base: { region: 'eu' },
        messageKey: 'message',
        serializers: { user: (user: { id: number }) => user.id },
      },
    });
    clog.info('x', { user: { id: 7, card: 'c' } });
    expect(output.last).toMatchObject({ region: 'eu', service: 'im-gateway', message: 'x', user: 7 });
  });

  it('that throw do not reach the caller, and the message is not lost', () => {
    const { clog, output } = memoryClog({
      pino: {
        serializers: {
          bad() {
            throw new Error('broken');
          },
        },
      },
    });
    clog.info('hello', { bad: 1 });
    expect(output.last).toMatchObject({ msg: 'hello', reason: 'broken', level: 'error' });
  });
});
