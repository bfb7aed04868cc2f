import { describe, expect, it } from 'vitest';
import { resolveKey, resolvePrefix } from '../../../lib/coord/config/config-key.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';

const space = {
  service: '/config/dev/orders',
  global: '/config/dev/global',
  roots: ['/config', '/legacy/app'],
};

describe('a configuration key', () => {
  it.each([
    ['db', '/config/dev/orders/db'],
    ['db/pool', '/config/dev/orders/db/pool'],
    ['/config/dev/im-repo/db', '/config/dev/im-repo/db'],
    ['/legacy/app/x', '/legacy/app/x'],
    ['größe', '/config/dev/orders/größe'],
  ])('%s means %s', (key, absolute) => {
    expect(resolveKey(space, key)).toBe(absolute);
  });

  it.each([
    '',
    '/',
    '//',
    'a//b',
    '/config//x',
    'a/',
    '..',
    'a/..',
    '../a',
    'a..b',
    '.',
    'a/./b',
    'a\tb',
    '\u007f',
    '\ud800',
  ])('%j is refused, by the name of the argument', (key) => {
    expect(() => resolveKey(space, key)).toThrow(ValidationError);
    expect(() => resolveKey(space, key)).toThrow(/^key takes/);
  });

  it.each(['/services/x', '/configuration/x', '/legacy/application'])(
    '%s lies outside of what may be used',
    (key) => {
      expect(() => resolveKey(space, key)).toThrow(
        /a relative key, or an absolute one under \/config\/ or \/legacy\/app\//,
      );
    },
  );

  it.each([undefined, null, 1, {}, 'x'.repeat(1_025)])('%j is no key', (key) => {
    expect(() => resolveKey(space, key)).toThrow(ValidationError);
  });
});

describe('a configuration prefix', () => {
  it.each([
    ['', '/config/dev/orders/'],
    ['app', '/config/dev/orders/app/'],
    ['app/', '/config/dev/orders/app/'],
    ['/config/dev/', '/config/dev/'],
    ['/config', '/config/'],
  ])('%j means %s', (prefix, absolute) => {
    expect(resolvePrefix(space, prefix)).toBe(absolute);
  });

  it.each(['/', '//', 'a//', '../', 'a/../', '/services/', 7])('%j is refused', (prefix) => {
    expect(() => resolvePrefix(space, prefix)).toThrow(/^prefix takes/);
  });
});
