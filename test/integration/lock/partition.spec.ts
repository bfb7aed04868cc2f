import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EtcdProcess, FaultProxy, SeededRandom } from '../../../lib/testing/index.js';
import { torture } from '../../faults/torture-settings.js';
import { until } from '../../support/until.js';
import { etcdKinds } from '../etcd-kinds.js';
import { LockRoom } from './lock-room.js';

const TASKS = 20;
/** Several, because writes of independent queues ride together, and what rides together has to part where one's time is over. */
const KEYS = 6;
/** Each begins at another phase; `IM_TORTURE_SECONDS=300` runs a hundred. */
const ROUNDS = Math.ceil(torture.seconds / 15);

describe.runIf((await etcdKinds()).includes('binary'))('queues that were cut off from etcd', () => {
  const random = new SeededRandom(torture.seed);
  let etcd: EtcdProcess;
  let proxies: FaultProxy[];
  let rooms: LockRoom[];
  beforeAll(async () => {
    etcd = await EtcdProcess.start();
  });
  afterAll(() => etcd.stop());
  beforeEach(async () => {
    proxies = await Promise.all([0, 1].map(() => FaultProxy.start({ target: etcd.endpoint })));
    rooms = proxies.map(({ endpoint }) => new LockRoom([endpoint]));
    await Promise.all(rooms.map(({ client }) => client.ready()));
  });
  afterEach(async () => {
    await Promise.all(rooms.map((room) => room.close()));
    await Promise.all(proxies.map((proxy) => proxy.close()));
  });

  const partitions = {
    'one link silent': () => {
      proxies[0]!.stall();
      return () => proxies[0]!.resume();
    },
    'both links silent': () => {
      for (const proxy of proxies) proxy.stall();
      return () => proxies.forEach((proxy) => proxy.resume());
    },
    'both links refused': () => {
      for (const proxy of proxies) proxy.refuse();
      return () => proxies.forEach((proxy) => proxy.resume());
    },
    'etcd stopped': () => {
      etcd.pause();
      return () => etcd.resume();
    },
  };

  it.each(Object.keys(partitions) as (keyof typeof partitions)[])(
    'ends every acquisition, and keeps no place that nobody has (%s)',
    { timeout: 60_000 + ROUNDS * 30_000 },
    async (how) => {
      for (let round = 0; round < ROUNDS; round++) {
        const stopping = new AbortController();
        const outcomes = { held: 0, refused: 0 };
        const inside = new Map<string, number>();
        let most = 0;
        const task = async (index: number): Promise<void> => {
          const { locks } = rooms[index % rooms.length]!;
          while (!stopping.signal.aborted) {
            const key = `partition-${round}-${random.integer(0, KEYS - 1)}`;
            try {
              const lock = await locks.acquire(key, { timeout: random.pick([50, 300, 2_500, 10_000]) });
              outcomes.held++;
              inside.set(key, (inside.get(key) ?? 0) + 1);
              most = Math.max(most, inside.get(key)!);
              await sleep(random.integer(0, 3));
              inside.set(key, inside.get(key)! - 1);
              await lock.release();
            } catch {
              outcomes.refused++;
              await sleep(10);
            }
          }
        };
        const tasks = Array.from({ length: TASKS }, (_, index) => task(index));
        await until(() => outcomes.held > TASKS, { what: 'a first round of turns' });
        await sleep(random.integer(0, 40));
        const heal = partitions[how]();
        // Around the 2 s after which an attempt is settled by reading, and past the session's doubt about the link.
        await sleep(random.integer(1_500, 5_000));
        heal();
        const before = outcomes.held;
        await until(() => outcomes.held > before + 2 * TASKS, {
          timeout: 20_000,
          what: `the queue to move again (seed ${random.seed}, round ${round})`,
        });
        stopping.abort();
        await Promise.all(tasks);
        expect(most).toBe(1);
        expect((await rooms[0]!.epochs()).length).toBeLessThanOrEqual(rooms.length);
        // The sessions live on: whatever is left now would be in everybody's way for as long as they do.
        const left = () => rooms[0]!.keys();
        await until(async () => (await left()).length === 0, { timeout: 5_000 }).catch(async () => {
          expect({ seed: random.seed, round, left: await left() }).toMatchObject({ left: [] });
        });
      }
    },
  );
});
