import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { onPath } from '../../lib/testing/on-path.js';
import { EchoFleet, EchoLoad } from './echo-fleet.js';

const RATE = 100;
const IDEMPOTENT = { retry: { methods: ['Echo/Say'] } };

describe.skipIf(onPath('etcd') === undefined)(
  'a fleet of Nest gRPC services in processes of their own',
  () => {
    let fleet: EchoFleet;

    afterEach(() => fleet.stop());

    it('is replaced instance by instance, without a retry policy and without a failed call', async () => {
      fleet = await EchoFleet.start(3);
      const load = new EchoLoad(await fleet.client(), RATE);
      for (let turn = 0; turn < 4; turn++) {
        await fleet.add();
        await fleet.listed(4);
        await fleet.servers.shift()!.stop();
      }
      await load.stop();
      expect(load.failures).toEqual([]);
      expect(load.outcomes.length).toBeGreaterThan(300);
      expect(new Set(load.outcomes.map(({ server }) => server)).size).toBeGreaterThanOrEqual(6);
    });

    it('loses an instance to coord.drain() and app.close() without a failed call', async () => {
      fleet = await EchoFleet.start(2);
      const load = new EchoLoad(await fleet.client(), RATE);
      await fleet.servers.shift()!.stop('drain');
      await sleep(300);
      await load.stop();
      expect(load.failures).toEqual([]);
      expect(await fleet.coord.registry.discover('echo')).toHaveLength(1);
    });

    it('loses a hybrid application to app.close() without a failed call', async () => {
      fleet = await EchoFleet.start(2, { HYBRID: '1' });
      const load = new EchoLoad(await fleet.client(), RATE);
      await fleet.servers.shift()!.stop('close');
      await sleep(300);
      await load.stop();
      expect(load.failures).toEqual([]);
      expect(await fleet.coord.registry.discover('echo')).toHaveLength(1);
    });

    it('loses an instance to SIGKILL: idempotent calls do not fail, others only if they were under way', async () => {
      fleet = await EchoFleet.start(3);
      const [idempotent, plain] = await Promise.all([fleet.client(IDEMPOTENT), fleet.client()]);
      const loads = [new EchoLoad(idempotent, RATE), new EchoLoad(plain, RATE)] as const;
      await sleep(500);
      await fleet.servers.shift()!.kill();
      const dead = performance.now();
      await sleep(1_500);
      await Promise.all(loads.map((load) => load.stop()));
      expect(loads[0].failures).toEqual([]);
      const failed = loads[1].outcomes.filter(({ failure }) => failure !== undefined);
      // Nobody is sent there 100 ms after it died.
      expect(failed.filter(({ at }) => at > dead + 100)).toEqual([]);
    });

    it('gives a hung instance (SIGSTOP) no new calls after a second, and fails no idempotent call', async () => {
      fleet = await EchoFleet.start(3);
      const load = new EchoLoad(await fleet.client(IDEMPOTENT), RATE);
      await sleep(500);
      const hung = fleet.servers[0]!;
      hung.child.kill('SIGSTOP');
      const stopped = performance.now();
      await sleep(2_000);
      const resumed = performance.now();
      hung.child.kill('SIGCONT');
      await sleep(1_500);
      await load.stop();
      expect(load.failures).toEqual([]);
      const waited = load.outcomes.filter(
        ({ at, took, server }) => at < resumed && at + took > resumed && server === hung.id,
      );
      expect(waited.filter(({ at }) => at > stopped + 1_000)).toEqual([]);
      // It is back among those that answer.
      expect(load.outcomes.some(({ at, server }) => at > resumed + 500 && server === hung.id)).toBe(true);
    });

    it.each(['with its data', 'wiped'])(
      'outlives an etcd that is away for three TTLs and comes back %s, without a failed call',
      async (how) => {
        fleet = await EchoFleet.start(3, { TTL: '2s' });
        const load = new EchoLoad(await fleet.client(), RATE);
        await fleet.etcd.kill();
        await sleep(6_000);
        if (how === 'wiped') await fleet.etcd.wipe();
        else await fleet.etcd.start();
        expect(await fleet.listed(3)).toBeLessThan(2_000);
        await sleep(3_000);
        await load.stop();
        expect(load.failures).toEqual([]);
      },
    );
  },
);
