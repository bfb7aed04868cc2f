import { beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from '../../../lib/coord/etcd/connection.js';
import type { Generation } from '../../../lib/coord/etcd/generation.js';
import { Mirror } from '../../../lib/coord/etcd/mirror.js';
import { RpcFailure } from '../../../lib/coord/etcd/rpc-failure.js';
import type { WatchEnd, WatchHub, WatchListener } from '../../../lib/coord/etcd/watch-hub.js';
import { FakeClock } from '../../support/fake-clock.js';
import { collectLog } from '../../support/open-client.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a mirror', () => {
  let clock: FakeClock;
  let log: ReturnType<typeof collectLog>;
  /** What the next list fails with. */
  let failing: RpcFailure | undefined;
  let watches: WatchListener[];
  /** Ends each watch at once, if set. */
  let ending: WatchEnd | undefined;
  let mirror: Mirror;
  let lists: number;
  beforeEach(() => {
    clock = new FakeClock();
    log = collectLog();
    failing = undefined;
    ending = undefined;
    watches = [];
    lists = 0;
    const rpc = {
      range: async () => ({ revision: 1n, kvs: [], count: 0, more: false }),
    };
    const generation = {
      clusterId: 0n,
      drop: () => undefined,
      unary: async (run: (rpc: unknown, options: object) => unknown) => {
        if (failing) throw failing;
        return run(rpc, {});
      },
    } as unknown as Generation;
    const connection = {
      closing: new AbortController().signal,
      whenLive: async () => generation,
    } as unknown as Connection;
    const hub = {
      lastSign: 0,
      watch: (_: unknown, __: unknown, listener: WatchListener) => {
        watches.push(listener);
        if (ending) listener.ended(ending);
        return () => undefined;
      },
    } as unknown as WatchHub;
    mirror = new Mirror(
      { key: 'k' },
      {
        connection,
        hubOf: () => hub,
        readerOf: () => ({ read: async () => ({ revision: 1n, kvs: [], count: 0, more: false }) }) as never,
        clock,
        random: () => 1,
        logger: log,
        requestTimeout: 5_000,
        closed: () => undefined,
      },
      { listed: () => lists++ },
    );
  });

  it('asks ever more rarely for a watch that etcd refuses, although it may read, and says so once', async () => {
    ending = { cause: 'refused', reason: 'etcdserver: permission denied' };
    await settled();
    const asked = [];
    for (const wait of [100, 200, 400, 800]) {
      clock.advance(wait - 1);
      await settled();
      asked.push(watches.length);
      clock.advance(1);
      await settled();
    }
    expect(asked).toEqual([1, 2, 3, 4]);
    expect(log.lines.filter(({ message }) => message === 'etcd refused a watch')).toHaveLength(1);
  });

  it('tells of each list, also of one that brought no change', async () => {
    await settled();
    let changes = 0;
    mirror.subscribe(() => changes++);
    watches[0]!.ended({ cause: 'compacted' });
    await settled();
    expect([lists, changes]).toEqual([2, 0]);
  });

  it('begins anew with short waits once a watch was taken', async () => {
    ending = { cause: 'refused', reason: 'etcdserver: permission denied' };
    await settled();
    for (const wait of [100, 200]) {
      clock.advance(wait);
      await settled();
    }
    ending = undefined;
    clock.advance(400);
    await settled();
    watches.at(-1)!.attached();
    ending = { cause: 'refused', reason: 'etcdserver: permission denied' };
    watches.at(-1)!.ended(ending);
    await settled();
    const before = watches.length;
    clock.advance(100);
    await settled();
    expect(watches.length).toBe(before + 1);
  });

  it('lets those wait on who wait for the first list, where etcd has refused nothing', async () => {
    failing = new RpcFailure(new Error('14 UNAVAILABLE: etcdserver: request timed out'));
    const ready = mirror.ready();
    await settled();
    failing = undefined;
    clock.advance(100);
    await expect(ready).resolves.toMatchObject({ revision: 1n });
  });
});
