import { describe, expect, it } from 'vitest';
import { KeyIndex } from '../../../lib/testing/embedded/key-index.js';

function indexOf(...writes: readonly [key: string, revision: number, deleted?: boolean][]): KeyIndex {
  const index = new KeyIndex();
  for (const [key, revision, deleted = false] of writes) {
    index.append({
      key,
      revision,
      created: revision,
      version: 1,
      value: Buffer.from(''),
      lease: 0n,
      deleted,
    });
  }
  return index;
}

const ALL = { from: '\0', to: undefined };

describe('KeyIndex', () => {
  const index = indexOf(['b', 2], ['a', 3], ['b', 4], ['a', 5, true], ['a', 7]);

  it.each([
    [1, []],
    [2, ['b@2']],
    [3, ['a@3', 'b@2']],
    [4, ['a@3', 'b@4']],
    [6, ['b@4']],
    [7, ['a@7', 'b@4']],
  ])('shows the keys as they were at revision %d', (revision, keys) => {
    expect(index.range(ALL, revision).map((each) => `${each.key}@${each.revision}`)).toEqual(keys);
  });

  it('orders keys by byte and ends a range before its end', () => {
    const keys = ['\xff', 'a\0', 'a', 'b', 'a/b', 'A'];
    const many = indexOf(...keys.map((key, i) => [key, i + 1] as [string, number]));
    expect(many.range(ALL, 9).map(({ key }) => key)).toEqual(['A', 'a', 'a\0', 'a/b', 'b', '\xff']);
    expect(many.range({ from: 'a', to: 'b' }, 9).map(({ key }) => key)).toEqual(['a', 'a\0', 'a/b']);
    expect(many.range({ from: 'b', to: 'a' }, 9)).toEqual([]);
  });

  it('keeps at a compaction what can be read from its revision on, and no more', () => {
    const compacted = indexOf(
      ['a', 2],
      ['a', 3],
      ['a', 6],
      ['gone', 2],
      ['gone', 4, true],
      ['kept', 2],
      ['kept', 6, true],
    );
    const before = [4, 5, 6].map((revision) => compacted.range(ALL, revision));
    compacted.compact(4);
    expect([4, 5, 6].map((revision) => compacted.range(ALL, revision))).toEqual(before);
    expect(compacted.range(ALL, 2).map(({ key }) => key)).toEqual(['kept']);
    compacted.compact(6);
    expect(compacted.range(ALL, 9).map(({ key }) => key)).toEqual(['a']);
  });
});
