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
  const counted = async (name: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${etcd.metricsPort}/metrics`)).text();
    const lines = text.split('\n').filter((each) => each.startsWith(`grpc_server_${name}{`));
    return Number(
      lines
        .find((each) => each.includes('"LeaseKeepAlive"'))
        ?.split(' ')
        .at(-1) ?? 0,
    );
  };
  const renewals = () => counted('msg_received_total');

  it('cost one lease, one stream, and one renewal a third of the TTL', async () => {
    const locks = await Promise.all(
      Array.from({ length: LOCKS }, (_, index) => room.locks.acquire(`held-${index}`, { ttl: TTL })),
    );
    // Past the second at which locks held for long come under watch.
    await sleep(2_000);
    const before = await renewals();
    const started = performance.now();
    await sleep(2 * TTL);
    const renewed = (await renewals()) - before;
    const thirds = (performance.now() - started) / (TTL / 3);
    process.stdout.write(
      `${LOCKS} locks held for ${thirds.toFixed(2)} thirds of their TTL: ${renewed} renewals\n`,
    );
    // One may fall into each end of the time that was measured.
    expect(renewed).toBeGreaterThanOrEqual(Math.floor(thirds) - 1);
    expect(renewed).toBeLessThanOrEqual(Math.ceil(thirds));
    expect(await counted('started_total')).toBe(1);
    const { kvs } = await room.client.range({ ...prefixRange('/locks/'), keysOnly: true });
    expect(kvs).toHaveLength(LOCKS);
    expect(new Set(kvs.map(({ lease }) => lease)).size).toBe(1);
    expect(locks.every((lock) => lock.isHeld())).toBe(true);
    await Promise.all(locks.map((lock) => lock.release()));
    expect(await room.keys()).toEqual([]);
  });
});
