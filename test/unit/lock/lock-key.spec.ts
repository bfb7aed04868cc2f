import { describe, expect, it } from 'vitest';
import { checkLockKey, checkLockKeys, escapeKey, unescapeKey } from '../../../lib/coord/lock/lock-key.js';
import { parsePlace, placeKey, QueueLayout } from '../../../lib/coord/lock/queue-layout.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';

describe('the key of a lock', () => {
  it.each(['order', 'order:42', 'a/b', 'a b', 'größe', '100%', 'a.b..c', 'x'.repeat(512)])(
    'may be %j',
    (key) => {
      expect(checkLockKey('key', key)).toBe(key);
    },
  );

  it.each(['', '/', 'a/', '/a', 'a//b', '..', 'a/../b', 'x'.repeat(513), '\ud800', 7, null, undefined, {}])(
    'may not be %j',
    (key) => {
      expect(() => checkLockKey('key', key)).toThrow(ValidationError);
    },
  );

  it('may be several, each once', () => {
    expect(checkLockKeys('key', ['b', 'a', 'b'])).toEqual(['b', 'a']);
    expect(() => checkLockKeys('key', [])).toThrow(/array of 1 to 32 keys/);
    expect(() => checkLockKeys('key', ['a', ''])).toThrow(/key\[1\]/);
  });

  it('is one path segment in etcd, and unchanged without a slash', () => {
    expect(escapeKey('order:42 ä%')).toBe('order:42 ä%');
    expect(escapeKey('a/b')).toBe('a%2Fb');
    expect(escapeKey('a%2Fb')).toBe('a%252Fb');
  });

  it('is never shared by two names: escaping can be undone', () => {
    const alphabet = ['a', '/', '%', '2', '5', 'F', 'f'];
    const seen = new Map<string, string>();
    const grow = (text: string): void => {
      if (text.length > 5) return;
      const escaped = escapeKey(text);
      expect(escaped).not.toContain('/');
      expect(unescapeKey(escaped)).toBe(text);
      expect(seen.get(escaped) ?? text).toBe(text);
      seen.set(escaped, text);
      for (const letter of alphabet) grow(text + letter);
    };
    grow('');
  });
});

describe('the layout of a queue', () => {
  const layout = new QueueLayout('/locks');

  it('is that of Go for the first task of a process, with a slot for each further one', () => {
    const queue = layout.queue('order:1');
    expect(queue).toBe('/locks/order:1/');
    expect(placeKey(queue, '5a', 0, false)).toBe('/locks/order:1/5a');
    expect(placeKey(queue, '5a', 3, false)).toBe('/locks/order:1/5a-3');
    expect(placeKey(queue, '5a', 0, true)).toBe('/locks/order:1/5a-r0');
  });

  it('keeps semaphores, claims and epochs where no lock can be', () => {
    for (const key of [layout.semaphore('x'), layout.claim('x'), layout.epoch('1')]) {
      expect(key).toMatch(/^\/locks\/\/\w+\//);
    }
  });

  it('is read back', () => {
    expect(parsePlace('/locks', '/locks/a%2Fb/5a-3')).toEqual({
      kind: 'lock',
      key: 'a/b',
      lease: '5a',
      shared: false,
    });
    expect(parsePlace('/locks', '/locks/doc/5a-r0')).toMatchObject({ shared: true });
    expect(parsePlace('/locks', '/locks//semaphore/pool/5a')).toMatchObject({
      kind: 'semaphore',
      key: 'pool',
    });
    expect(parsePlace('/locks', '/locks//epoch/5a')).toBeUndefined();
    expect(parsePlace('/locks', '/locks//claim/x')).toBeUndefined();
    expect(parsePlace('/locks', '/config/x/5a')).toBeUndefined();
  });
});
