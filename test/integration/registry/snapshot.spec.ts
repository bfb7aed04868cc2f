import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ServiceInstance } from '../../../lib/coord/registry/service-instance.js';
import { EmbeddedEtcd, FaultProxy } from '../../../lib/testing/index.js';
import { until } from '../../support/until.js';
import { RegistryRoom } from './registry-room.js';

describe('a process that starts while etcd is away, with the snapshot of an earlier run', () => {
  let dir: string;
  let etcd: EmbeddedEtcd;
  let link: FaultProxy;
  let late: RegistryRoom;
  let owner: RegistryRoom;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'im-infra-snapshot-'));
    etcd = await EmbeddedEtcd.start();
    link = await FaultProxy.start({ target: etcd.endpoint });
    owner = new RegistryRoom([etcd.endpoint]);
    await owner.registry.register({ name: 'web', id: 'a', address: '127.0.0.1', port: 1 });
    const earlier = new RegistryRoom([link.endpoint], { snapshot: { dir } });
    await earlier.registry.pick('web');
    await earlier.close();
    await until(async () => (await readdir(dir, { recursive: true })).some((file) => file.endsWith('.json')));
    link.refuse();
    late = new RegistryRoom([link.endpoint], { snapshot: { dir } });
  });

  afterEach(async () => {
    await late.close();
    await owner.close();
    await link.close();
    await etcd.stop();
    await rm(dir, { recursive: true });
  });

  it('picks from it', async () => {
    expect(await late.registry.pick('web')).toMatchObject({ id: 'a' });
    await expect(late.registry.pick('other', {})).rejects.toMatchObject({ code: 'COORD_UNAVAILABLE' });
  });

  it('discovers it', async () => {
    expect(await late.registry.discover('web')).toMatchObject([{ id: 'a' }]);
    await expect(late.registry.discover('other', { timeout: 100 })).rejects.toMatchObject({
      code: 'COORD_UNAVAILABLE',
    });
  });

  it('shows it to a watcher first, and then what etcd says', async () => {
    const seen: (readonly ServiceInstance[])[] = [];
    late.registry.watch('web').subscribe((instances) => seen.push(instances));
    await until(() => seen.length === 1);
    await owner.registry.register({ name: 'web', id: 'b', address: '127.0.0.1', port: 2 });
    link.resume();
    await until(() => seen.at(-1)?.length === 2);
    expect(seen[0]!.map(({ id }) => id)).toEqual(['a']);
  });
});
