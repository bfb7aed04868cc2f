import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as passed } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type * as FleetFile from '../../sample-app/src/demo/fleet.js';
import type * as LoadFile from '../../sample-app/src/demo/load.js';
import type * as WarehouseFile from '../../sample-app/src/order-service/warehouse.js';
import { describeOnContainers } from './engine.js';
import { EtcdContainers } from './etcd-containers.js';

/** The sample application as it is built: its services are processes of their own. */
async function built<T>(file: string): Promise<T> {
  return (await import(new URL(`../../sample-app/dist/${file}`, import.meta.url).href)) as T;
}

describeOnContainers("the sample application's fleet on three etcds in containers", () => {
  let etcd: EtcdContainers;
  let fleet: FleetFile.Fleet;
  let folder: string;
  const stop = new AbortController();

  beforeAll(async () => {
    etcd = await EtcdContainers.start(3);
    folder = mkdtempSync(join(tmpdir(), 'im-infra-fleet-'));
    const file = join(folder, 'warehouse.json');
    const { Warehouse } = await built<typeof WarehouseFile>('order-service/warehouse.js');
    await Warehouse.open(file, { book: 1_000, mug: 1_000, poster: 1_000 });
    const { Fleet } = await built<typeof FleetFile>('demo/fleet.js');
    fleet = await Fleet.start({
      endpoints: etcd.endpoints,
      env: { WAREHOUSE: file, LOG_FORMAT: 'json' },
      signal: stop.signal,
    });
  });

  afterAll(async () => {
    await fleet?.stop();
    await etcd?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const order = (count: number) =>
    Promise.all(
      Array.from({ length: count }, () =>
        fleet.post<{ left: number; fencingToken: string }>('/orders', { item: 'book', quantity: 1 }),
      ),
    );
  const left = async () => (await fleet.get<{ left: number }>('/stock/book')).left;

  it('goes on through a partition of the cluster and its healing: calls, orders under the lock, configuration', async () => {
    const { Load } = await built<typeof LoadFile>('demo/load.js');
    const user = async (id: number) => (await fleet.get<{ servedBy: string }>(`/users/${id}`)).servedBy;
    const load = new Load(user, { workers: 4 });
    const before = await left();
    await order(20);
    const { leader } = await etcd.leader();
    await leader.disconnect();
    await passed(5_000);
    const during = await left();
    // The majority elects another leader, and orders under the lock go on there.
    await expect
      .poll(
        () =>
          order(1).then(
            () => 'placed',
            () => 'not yet',
          ),
        { timeout: 60_000, interval: 500 },
      )
      .toBe('placed');
    await leader.connect();
    await passed(2_000);
    const middle = await left();
    const placed = await order(20);
    await load.stop();

    expect(before - during).toBe(20);
    expect(middle - (await left())).toBe(20);
    const tokens = placed.sort((a, b) => b.left - a.left).map(({ fencingToken }) => BigInt(fencingToken));
    expect(tokens).toEqual([...tokens].sort((a, b) => Number(a - b)));
    process.stdout.write(`containers: ${load.sent} calls through the partition, ${load.failed} failed\n`);
    expect(Object.fromEntries(load.failures)).toEqual({});

    await fleet.coord.config.set('/config/demo/global/shop', { greeting: 'Ahoy', discountPercent: 20 });
    await expect
      .poll(async () => (await fleet.get<{ greeting: string }>('/users/0')).greeting, { timeout: 20_000 })
      .toContain('Ahoy');
    await expect.poll(() => fleet.instances('user-service'), { timeout: 20_000 }).toHaveLength(2);
  });
});
