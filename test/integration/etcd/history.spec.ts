import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EtcdClient } from '../../../lib/coord/etcd/etcd.client.js';
import { prefixRange } from '../../../lib/coord/etcd/kv.js';
import type { Mirror } from '../../../lib/coord/etcd/mirror.js';
import { EtcdProcess, FaultProxy } from '../../../lib/testing/index.js';
import { onPath } from '../../../lib/testing/on-path.js';
import { openClient } from '../../support/open-client.js';
import { until } from '../../support/until.js';

const write = (client: EtcdClient, key: string, value = '') =>
  client.commit({ success: [{ put: { key: `/h/${key}`, value } }] }, { idempotent: true, timeout: 20_000 });

const keysOf = (mirror: Mirror) =>
  [...mirror.snapshot().entries.keys()].map((key) => key.slice(3)).toSorted();

describe.skipIf(onPath('etcd') === undefined)('a store that was wiped (needs etcd on PATH)', () => {
  let etcd: EtcdProcess;
  let client: EtcdClient;
  beforeEach(async () => {
    etcd = await EtcdProcess.start();
    client = openClient([etcd.endpoint]);
    await client.ready();
  });
  afterEach(async () => {
    await client.close();
    await etcd.stop();
  });

  it('is listed again, deletions included, when its revisions are behind', async () => {
    for (const key of ['a', 'b', 'c']) await write(client, key);
    const mirror = client.mirror(prefixRange('/h/'));
    const empty = client.mirror(prefixRange('/h-empty/'));
    await Promise.all([mirror.ready(), empty.ready()]);
    await etcd.wipe();
    await write(client, 'new');
    await until(() => keysOf(mirror).join() === 'new', { what: 'the new content' });
    await client.commit({ success: [{ put: { key: '/h-empty/x', value: '' } }] });
    await until(() => empty.snapshot().entries.size === 1, { what: 'the first key of the empty range' });
  });

  it('is listed again also when its revisions have overtaken ours meanwhile', async () => {
    await write(client, 'before');
    const mirror = client.mirror(prefixRange('/h/'));
    await mirror.ready();
    const proxy = await FaultProxy.start({ target: etcd.endpoint });
    const behind = openClient([proxy.endpoint]);
    const cutOff = behind.mirror(prefixRange('/h/'));
    await cutOff.ready();
    await until(() => cutOff.staleFor() === 0);
    proxy.refuse();
    await etcd.wipe();
    for (let index = 0; index < 30; index++) await write(client, `after${index % 3}`);
    proxy.resume();
    await until(() => keysOf(cutOff).join() === 'after0,after1,after2', { what: 'the new content' });
    await write(client, 'later');
    await until(() => keysOf(cutOff).includes('later'));
    await until(() => keysOf(mirror).join() === keysOf(cutOff).join(), { what: 'the same in both' });
    await behind.close();
    await proxy.close();
  });

  it.each([
    ['a small range', 3],
    ['a range too large to be compared as a whole', 600],
  ])('is listed again when the same keys were made again in the same revisions: %s', async (_, keys) => {
    const seed = async (value: string): Promise<void> => {
      const through = openClient([etcd.endpoint]);
      for (let from = 0; from < keys; from += 100) {
        const puts = Array.from({ length: Math.min(100, keys - from) }, (_, index) => ({
          put: { key: `/h/${1_000 + from + index}`, value },
        }));
        await through.commit({ success: puts }, { timeout: 20_000 });
      }
      await through.close();
    };
    await seed('old');
    const proxy = await FaultProxy.start({ target: etcd.endpoint });
    const behind = openClient([proxy.endpoint]);
    const mirror = behind.mirror(prefixRange('/h/'));
    await mirror.ready();
    await until(() => mirror.staleFor() === 0);
    proxy.refuse();
    await etcd.wipe();
    await seed('new');
    proxy.resume();
    await until(
      () => [...mirror.snapshot().entries.values()].every(({ value }) => value.equals(Buffer.from('new'))),
      {
        what: 'the new values',
      },
    );
    expect(mirror.snapshot().entries.size).toBe(keys);
    await behind.close();
    await proxy.close();
  });

  it('gives sessions a new lease and puts their keys back', async () => {
    const keeper = client.sessions(4_000);
    const leases: bigint[] = [];
    keeper.onSession(async (session) => {
      leases.push(session.leaseId);
      const put = { key: '/h/mine', value: '', lease: session.leaseId };
      await client.commit({ success: [{ put }] }, { session, idempotent: true });
    });
    await keeper.acquire();
    await until(async () => (await client.range({ key: '/h/mine' })).count === 1);
    await etcd.wipe();
    await until(async () => (await client.range({ key: '/h/mine' }, { timeout: 10_000 })).count === 1, {
      timeout: 10_000,
      what: 'the key in the new store',
    });
    expect(leases).toHaveLength(2);
  });
});
