import { describe, expect, it } from 'vitest';
import type { KeyValue } from '../../../lib/coord/etcd/kv.js';
import { SnapshotMap } from '../../../lib/coord/etcd/snapshot-map.js';

const kv = (key: string, revision: bigint, value = ''): KeyValue => ({
  key,
  value: Buffer.from(value),
  createRevision: revision,
  modRevision: revision,
  version: 1n,
  lease: 0n,
});
const put = (key: string, revision: bigint) => ({ deleted: false, kv: kv(key, revision) });
const remove = (key: string, revision: bigint) => ({ deleted: true, kv: kv(key, revision) });

describe('a snapshot map', () => {
  it('never changes a state that was handed out', () => {
    const map = new SnapshotMap();
    map.replace(1n, [kv('a', 1n)]);
    const before = map.snapshot();
    map.apply(2n, [put('b', 2n), remove('a', 2n)]);
    expect([...before.entries.keys()]).toEqual(['a']);
    expect(before.revision).toBe(1n);
    expect([...map.snapshot().entries.keys()]).toEqual(['b']);
    expect(map.snapshot().revision).toBe(2n);
  });

  it('hands out the same object until something changes', () => {
    const map = new SnapshotMap();
    expect(map.snapshot()).toBe(map.snapshot());
  });

  it('reports what one revision changed, with the values before and after', () => {
    const map = new SnapshotMap();
    map.replace(1n, [kv('a', 1n), kv('b', 1n)]);
    const changes = map.apply(2n, [put('a', 2n), remove('b', 2n), remove('unknown', 2n), put('c', 2n)]);
    expect(
      changes.map(({ key, previous, current }) => [key, previous?.modRevision, current?.modRevision]),
    ).toEqual([
      ['a', 1n, 2n],
      ['b', 1n, undefined],
      ['c', undefined, 2n],
    ]);
  });

  it('reports the difference to a new list, deletions included and equal keys left out', () => {
    const map = new SnapshotMap();
    map.replace(5n, [kv('same', 1n), kv('gone', 2n), kv('changed', 3n)]);
    const changes = map.replace(9n, [kv('same', 1n), kv('changed', 8n), kv('new', 9n)]);
    expect(
      changes.map(({ key, previous, current }) => [key, previous?.modRevision, current?.modRevision]),
    ).toEqual([
      ['gone', 2n, undefined],
      ['changed', 3n, 8n],
      ['new', undefined, 9n],
    ]);
  });

  it('sees another value at an equal revision, as a restored store may have', () => {
    const map = new SnapshotMap();
    map.replace(5n, [kv('a', 5n, 'before')]);
    expect(map.replace(5n, [kv('a', 5n, 'after')])).toHaveLength(1);
  });
});
