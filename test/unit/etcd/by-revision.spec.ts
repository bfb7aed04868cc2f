import { describe, expect, it } from 'vitest';
import { byRevision } from '../../../lib/coord/etcd/by-revision.js';
import type { WatchEvent } from '../../../lib/coord/etcd/watch-hub.js';

const event = (key: string, modRevision: bigint): WatchEvent => ({
  deleted: false,
  kv: { key, value: Buffer.alloc(0), createRevision: 1n, modRevision, version: 1n, lease: 0n },
});

describe('events by revision', () => {
  it('keep their order, and those of one revision together', () => {
    const groups = [
      ...byRevision([event('a', 2n), event('b', 2n), event('a', 3n), event('c', 7n), event('d', 7n)]),
    ];
    expect(groups.map(({ revision, group }) => [revision, group.map(({ kv }) => kv.key).join('')])).toEqual([
      [2n, 'ab'],
      [3n, 'a'],
      [7n, 'cd'],
    ]);
  });

  it('are none where there are none', () => expect([...byRevision([])]).toEqual([]));
});
