import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prefixRange } from '../../../lib/coord/etcd/kv.js';
import { EtcdProcess } from '../../../lib/testing/index.js';
import { etcdKinds } from '../etcd-kinds.js';
import { LockRoom } from './lock-room.js';

const LOCKS = 10_000;
const TTL = 6_000;

describe.runIf((await etcdKinds()).includes('binary'))('ten thousand locks held by one process', () => {
  let etcd: EtcdProcess;
  let room: LockRoom;
  beforeAll(async () => {
    etcd = await EtcdProcess.start();
    room = new LockRoom([etcd.endpoint]);
    await room.client.ready();
  });
  afterAll(async () => {
    await room.close();
    await etcd.stop();
  });

  /** What etcd itself has counted of its keep-alive calls. */
  const keepAlives = async (): Promise<{ open: number; opened: number; renewals: number }> => {
    const text = await (await fetch(`http://127.0.0.1:${etcd.metricsPort}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.includes('grpc_method="LeaseKeepAlive"'));
    const sum = (name: string): number =>
      lines
        .filter((line) => line.startsWith(`grpc_server_${name}{`))
        .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
    const opened = sum('started_total');
    return { open: opened - sum('handled_total'), opened, renewals: sum('msg_received_total') };
  };

  it('cost one lease, one stream, and one renewal a third of the TTL', async () => {
    const locks = await Promise.all(
      Array.from({ length: LOCKS }, (_, index) => room.locks.acquire(`held-${index}`, { ttl: TTL })),
    );
    // Past the second at which locks held for long come under watch.
    await sleep(2_000);
    const before = await keepAlives();
    const started = performance.now();
    await sleep(2 * TTL);
    const after = await keepAlives();
    const renewed = after.renewals - before.renewals;
    const thirds = (performance.now() - started) / (TTL / 3);
    process.stdout.write(
      `${LOCKS} locks held for ${thirds.toFixed(2)} thirds of their TTL: ${renewed} renewals\n`,
    );
    // The time that was measured need not begin with a renewal; a new connection renews at once.
    expect(renewed).toBeGreaterThanOrEqual(Math.floor(thirds) - 1);
    expect(renewed).toBeLessThanOrEqual(Math.ceil(thirds) + after.opened - before.opened);
    expect(after.open).toBe(1);
    expect(await room.keys()).toHaveLength(LOCKS);
    const { kvs } = await room.client.range({ ...prefixRange('/locks/'), keysOnly: true });
    expect(new Set(kvs.map(({ lease }) => lease)).size).toBe(1);
    expect(locks.every((lock) => lock.isHeld())).toBe(true);
    await Promise.all(locks.map((lock) => lock.release()));
    expect(await room.keys()).toEqual([]);
  });
});
