import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EtcdProcess } from '../../../lib/testing/index.js';
import { onPath } from '../../../lib/testing/on-path.js';
import { beliefTorture, quantiles } from '../../faults/belief-torture.js';
import { eventTorture } from '../../faults/event-torture.js';
import { torture } from '../../faults/torture-settings.js';
import { openEtcd3Lease, openEtcd3Watcher } from '../../support/etcd3-readers.js';

/** Why this library does not use etcd3's Watcher and Lease: the drivers that ours survive show what they lose. */
describe.skipIf(onPath('etcd') === undefined)(
  `etcd3's own (seed ${torture.seed}, needs etcd on PATH)`,
  () => {
    let etcd: EtcdProcess;
    beforeEach(async () => {
      etcd = await EtcdProcess.start();
    });
    afterEach(() => etcd.stop());

    it('watcher loses events over ordinary reconnections', { timeout: 120_000 }, async () => {
      const { violations } = await eventTorture({
        etcd,
        seed: torture.seed,
        seconds: 10,
        revisions: 3_000,
        settle: 1_000,
        compaction: false,
        open: openEtcd3Watcher,
      });
      const losses = violations.filter((text) => /\d+ revisions lost before/.test(text));
      process.stdout.write(`etcd3's watcher: ${losses.length} losses, such as ${losses[0]}\n`);
      expect(losses).not.toEqual([]);
    });

    it('lease is believed in after etcd has deleted its keys', { timeout: 120_000 }, async () => {
      const prefix = '/believed/';
      const { leads, violations } = await beliefTorture({
        etcd,
        seed: torture.seed,
        partitions: 25,
        ttl: 2_000,
        prefix,
        open: (endpoint, ttl) => openEtcd3Lease(endpoint, ttl, prefix),
      });
      process.stdout.write(
        `etcd3's lease: ${violations.length} false beliefs of 25, ${JSON.stringify(quantiles(leads))}\n`,
      );
      expect(violations.length).toBeGreaterThan(0);
    });
  },
);
