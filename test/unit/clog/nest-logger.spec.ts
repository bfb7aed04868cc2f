import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryClog } from './memory-output.js';

describe("as Nest's logger", () => {
  let { clog, output } = memoryClog();

  beforeEach(() => {
    ({ clog, output } = memoryClog());
    Logger.overrideLogger(clog);
  });
  afterEach(() => Logger.overrideLogger(false));

  it('takes the context and the levels of Nest', () => {
    const nest = new Logger('UserService');
    nest.log('a');
    nest.warn('b');
    nest.debug('c');
    nest.verbose('d');
    nest.fatal('e');
    Logger.log('f', 'Static');
    expect(output.records.map(({ level, msg, context }) => [level, msg, context])).toEqual([
      ['info', 'a', 'UserService'],
      ['warn', 'b', 'UserService'],
      ['debug', 'c', 'UserService'],
      ['trace', 'd', 'UserService'],
      ['fatal', 'e', 'UserService'],
      ['info', 'f', 'Static'],
    ]);
  });

  it('tells a stack from a context', () => {
    const nest = new Logger('Ctx');
    const { stack } = new TypeError('why');
    nest.error('with stack', stack);
    nest.error('without');
    clog.error('direct', stack);
    clog.error('context only', 'Other');
    clog.error('undefined stack', undefined, 'Other');
    expect(output.records).toMatchObject([
      { msg: 'with stack', context: 'Ctx', err: { type: 'TypeError', message: 'with stack', stack } },
      { msg: 'without', context: 'Ctx' },
      { msg: 'direct', err: { stack } },
      { msg: 'context only', context: 'Other' },
      { msg: 'undefined stack', context: 'Other' },
    ]);
    expect(output.records[1]).not.toHaveProperty('err');
  });

  it('takes errors, objects, functions and several messages', () => {
    const nest = new Logger('Ctx');
    nest.error(new RangeError('thrown'));
    nest.log({ userId: 7, message: 'said' });
    nest.log({ userId: 7 });
    nest.log('message', { userId: 7 });
    nest.log(() => 'lazy');
    nest.log(class Named {});
    nest.log('one', 'two');
    nest.log(42);
    nest.log(null);
    nest.log(['a', 1n]);
    nest.log(() => {
      throw new Error('lazy error');
    });
    expect(output.records.map(({ msg, context }) => [msg, context])).toEqual([
      ['thrown', 'Ctx'],
      ['said', 'Ctx'],
      ['', 'Ctx'],
      ['message', 'Ctx'],
      ['lazy', 'Ctx'],
      ['Named', 'Ctx'],
      ['one', 'Ctx'],
      ['two', 'Ctx'],
      ['42', 'Ctx'],
      ['null', 'Ctx'],
      ['', 'Ctx'],
      ['lazy error', 'Ctx'],
    ]);
    expect(output.records[0]).toMatchObject({ err: { type: 'RangeError' } });
    expect(output.records[1]).toMatchObject({ userId: 7 });
    expect(output.records[3]).toMatchObject({ userId: 7 });
    expect(output.records[10]).toMatchObject({ value: ['a', '1'] });
  });

  describe('writes a line for', () => {
    const revoked = () => {
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      return proxy;
    };
    const thrower = () => ({
      get boom(): never {
        throw new RangeError('no');
      },
      kept: 1,
    });
    const withMessage = (get: (error: Error) => unknown) => {
      const error = new Error('x');
      return Object.defineProperty(error, 'message', { get: () => get(error) });
    };
    const throws = (): never => {
      throw new RangeError('no');
    };

    it.each<[string, () => unknown[], object]>([
      ['a getter that throws', () => ['m', thrower()], { msg: 'm', boom: '[threw RangeError]', kept: 1 }],
      ['such a getter alone', () => [thrower()], { msg: '', boom: '[threw RangeError]', kept: 1 }],
      ['an error whose message throws', () => [withMessage(throws)], { msg: '[threw RangeError]' }],
      ['an error that is its own message', () => [withMessage((error) => error)], { msg: '' }],
      ['a revoked proxy', () => ['m', revoked()], { msg: 'm' }],
      ['a revoked proxy alone', () => [revoked()], { msg: '', value: '[threw TypeError]' }],
      [
        'a function whose text throws',
        () => [() => Object.assign(() => 0, { toString: throws })],
        { msg: '[threw RangeError]' },
      ],
      [
        'a class whose name throws',
        () => [Object.defineProperty(class {}, 'name', { get: throws })],
        { msg: 'no', err: { type: 'RangeError' } },
      ],
      [
        'a stack beside an object that is no text',
        () => [{ toString: throws }, 'Error\n    at a.js:1'],
        { err: { message: '[threw RangeError]' } },
      ],
      ['something without a prototype', () => [Object.create(null)], { msg: '' }],
    ])('%s', (_name, values, expected) => {
      const [message, ...optional] = values();
      new Logger('Ctx').error(message, ...(optional as []));
      clog.warn(message, ...optional);
      clog.log(message, ...optional, 'Ctx');
      expect(output.records[0]).toMatchObject({ ...expected, context: 'Ctx' });
      expect(output.records.filter(({ level }) => level !== 'info').map(({ level }) => level)).toContain(
        'warn',
      );
      expect(output.records.at(-1)).toMatchObject({ level: 'info', context: 'Ctx' });
    });

    it('a revoked proxy in the place of the fields, in with() too', () => {
      clog.info('m', revoked());
      clog.with(revoked()).info('n');
      expect(output.records).toMatchObject([
        { msg: 'm', value: '[threw TypeError]' },
        { msg: 'n', value: '[threw TypeError]' },
      ]);
    });
  });

  it("follows Nest's setLogLevels", () => {
    clog.setLogLevels(['error', 'warn']);
    expect(clog.level).toBe('warn');
    clog.setLogLevels(['verbose', 'fatal']);
    expect(clog.level).toBe('trace');
    clog.setLogLevels([]);
    expect(clog.level).toBe('silent');
  });
});
