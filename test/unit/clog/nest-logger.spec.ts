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

  it("follows Nest's setLogLevels", () => {
    clog.setLogLevels(['error', 'warn']);
    expect(clog.level).toBe('warn');
    clog.setLogLevels(['verbose', 'fatal']);
    expect(clog.level).toBe('trace');
    clog.setLogLevels([]);
    expect(clog.level).toBe('silent');
  });
});
