import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import type { KeyValue } from '../../../lib/coord/etcd/kv.js';
import type { Mirror, MirrorChange } from '../../../lib/coord/etcd/mirror.js';
import { PART_SIZE, partsOf } from '../../../lib/coord/registry/list-part.js';
import { ServiceDirectory } from '../../../lib/coord/registry/service-directory.js';
import { collectLog } from '../../support/open-client.js';

const keyValue = (id: string): KeyValue => ({
  key: `/services/user/${id}`,
  value: Buffer.from(JSON.stringify({ address: id, port: 1 })),
  createRevision: 1n,
  modRevision: 1n,
  version: 1n,
  lease: 1n,
});
const came = (id: string) => ({ key: `/services/user/${id}`, previous: undefined, current: keyValue(id) });
const went = (id: string) => ({ key: `/services/user/${id}`, previous: keyValue(id), current: undefined });
const ids = (count: number): string[] => Array.from({ length: count }, (_, index) => `i${index}`);

describe('the directory of a service with thousands of instances', () => {
  let tell: (change: MirrorChange) => void;
  let ready: () => void;
  let directory: ServiceDirectory;
  let seen: number[];

  beforeEach(() => {
    const listed = new Promise<void>((resolve) => (ready = resolve));
    const mirror = {
      ready: () => listed,
      subscribe: (listener: typeof tell) => {
        tell = listener;
        return () => undefined;
      },
    };
    directory = new ServiceDirectory('user', '/services/user/', mirror as unknown as Mirror, collectLog());
    seen = [];
    directory.subscribe((changes) => void seen.push(changes.length));
  });

  it('reads a long list in parts, and is known only when all of it is read', async () => {
    tell({ revision: 5n, cause: 'list', changes: ids(2 * PART_SIZE + 1).map(came) });
    ready();
    expect(directory.synced).toBe(false);
    expect(seen).toEqual([]);
    let known = false;
    void directory.ready().then(() => (known = true));
    await turn();
    expect([known, directory.synced]).toEqual([false, false]);
    await turn();
    await turn();
    expect([known, directory.synced]).toEqual([true, true]);
    expect(directory.serving).toHaveLength(2 * PART_SIZE + 1);
    expect(seen).toEqual([PART_SIZE, PART_SIZE, 1]);
  });

  it('takes what a watch brings meanwhile afterwards, in order, and what it brings later at once', async () => {
    tell({ revision: 5n, cause: 'list', changes: ids(PART_SIZE + 1).map(came) });
    tell({ revision: 6n, cause: 'watch', changes: [went('i0')] });
    tell({ revision: 7n, cause: 'watch', changes: [went(`i${PART_SIZE}`)] });
    for (let each = 0; each < 4; each++) await turn();
    expect(directory.serving).toHaveLength(PART_SIZE - 1);
    tell({ revision: 8n, cause: 'watch', changes: [came('i0')] });
    expect(directory.instances.has('i0')).toBe(true);
  });

  it('hints at a wrong name once the list is read, until a key of the service was seen, readable or not', async () => {
    expect(directory.hint).toBe('');
    ready();
    await directory.ready();
    expect(directory.hint).toContain('does its server register at /services/user/{id}?');
    const unreadable = { ...keyValue('a'), value: Buffer.from('x') };
    tell({ revision: 5n, cause: 'watch', changes: [{ ...came('a'), current: unreadable }] });
    tell({ revision: 6n, cause: 'watch', changes: [went('a')] });
    expect(directory.hint).toBe('');
  });

  it('takes a loss as one part, after what there is', () => {
    const there = ids(PART_SIZE + 3).map((id) => came(`new-${id}`));
    const gone = ids(3 * PART_SIZE).map(went);
    const parts = partsOf({ revision: 9n, cause: 'relist', changes: [...gone, ...there] });
    expect(parts.map(({ changes, last }) => [changes.length, last])).toEqual([
      [PART_SIZE, false],
      [3, false],
      [3 * PART_SIZE, true],
    ]);
    expect(parts[2]!.changes).toEqual(gone);
  });
});
