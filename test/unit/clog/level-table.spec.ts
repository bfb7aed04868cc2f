import { describe, expect, it } from 'vitest';
import { type LevelEntry, levelPrefixes, nextExpiry, resolveLevel } from '../../../lib/clog/level-table.js';
import { LOG_LEVELS, type LogLevel } from '../../../lib/clog/log-level.js';
import { patternPrefix } from '../../../lib/clog/namespace.js';

const layer = (entries: Record<string, LevelEntry>) => new Map(Object.entries(entries));
const level = (name: LogLevel) => ({ level: name });
const boot = layer({ '': level('info') });

describe('the table of levels', () => {
  it('lets the longest dotted prefix win, and a dot is a border', () => {
    const layers = [layer({ '': level('warn'), a: level('debug'), 'a.b': level('error') })];
    const of = (name: string) => resolveLevel(levelPrefixes('svc', name), layers, 0);
    expect(['', 'x', 'a', 'a.b', 'a.b.c', 'a.bc', 'ab'].map(of)).toEqual([
      'warn',
      'warn',
      'debug',
      'error',
      'error',
      'debug',
      'warn',
    ]);
  });

  it('lets the first layer win for one prefix, and specificity win over layers', () => {
    const layers = [layer({ a: level('trace') }), layer({ a: level('error'), 'a.b': level('fatal') }), boot];
    expect(resolveLevel(levelPrefixes('svc', 'a'), layers, 0)).toBe('trace');
    expect(resolveLevel(levelPrefixes('svc', 'a.b.c'), layers, 0)).toBe('fatal');
  });

  it('forgets an entry when its time is over, and knows when that is', () => {
    const layers = [layer({ a: { level: 'debug', until: 100 }, b: { level: 'debug', until: 50 } }), boot];
    const prefixes = levelPrefixes('svc', 'a');
    expect(resolveLevel(prefixes, layers, 99)).toBe('debug');
    expect(resolveLevel(prefixes, layers, 100)).toBe('info');
    expect([nextExpiry(layers, 0), nextExpiry(layers, 50), nextExpiry(layers, 100)]).toEqual([
      50,
      100,
      undefined,
    ]);
  });

  it('agrees with a naive reading of the rule on 10,000 random tables', () => {
    let state = 7;
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const name = (most: number) => Array.from({ length: random(most + 1) }, () => 'abc'[random(3)]).join('.');
    for (let round = 0; round < 10_000; round++) {
      const table = new Map<string, LevelEntry>([['', level('info')]]);
      for (let entries = random(6); entries > 0; entries--) {
        table.set(name(4), level(LOG_LEVELS[random(7)] ?? 'info'));
      }
      const namespace = name(5);
      const covering = [...table.keys()].filter(
        (prefix) => prefix === '' || namespace === prefix || namespace.startsWith(`${prefix}.`),
      );
      const longest = covering.sort((left, right) => right.length - left.length)[0] ?? '';
      expect(resolveLevel(levelPrefixes('svc', namespace), [table], 0)).toBe(table.get(longest)?.level);
    }
  });
});

describe('a pattern', () => {
  it.each([
    ['a.b', 'a.b'],
    ['a.b.*', 'a.b'],
    ['*', ''],
    ['', ''],
  ])('%j covers the prefix %j', (pattern, prefix) => {
    expect(patternPrefix('p', pattern)).toBe(prefix);
  });

  it.each(['a.*.b', '*.a', 'a*', 'a b', '.', 'a..*', 7, null])('refuses %j', (pattern) => {
    expect(() => patternPrefix('p', pattern)).toThrow(/^p takes a namespace/);
  });
});
