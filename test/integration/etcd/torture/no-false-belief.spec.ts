import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SESSIONS_PREFIX } from '../../../../lib/coord/etcd/sentinels.js';
import { EtcdProcess } from '../../../../lib/testing/index.js';
import { onPath } from '../../../../lib/testing/on-path.js';
import { type Believer, beliefTorture, quantiles } from '../../../faults/belief-torture.js';
import { torture } from '../../../faults/torture-settings.js';

const ROOM = '../../../../lib/coord/etcd';
const LONG = torture.seconds * 5_000 + 60_000;

async function openSession(endpoint: string, ttl: number): Promise<Believer> {
  const { openClient } = await import('../../../support/open-client.js');
  const { sentinelOf } = await import('../../../support/sentinel-of.js');
  const client = openClient([endpoint], { requestTimeout: 10_000, dialTimeout: 10_000 });
  const session = await client.sessions(ttl).acquire();
  return {
    key: await sentinelOf(client, session),
    onLoss: (callback) => session.signal.addEventListener('abort', callback, { once: true }),
    believes: () => session.isAlive(),
    close: () => client.close({ timeout: 10 }),
  };
}

describe.skipIf(onPath('etcd') === undefined)(
  `no false belief (seed ${torture.seed}, needs etcd on PATH)`,
  () => {
    let etcd: EtcdProcess;
    beforeEach(async () => {
      etcd = await EtcdProcess.start();
    });
    afterEach(async () => {
      vi.doUnmock(`${ROOM}/lease-margin.js`);
      vi.resetModules();
      await etcd.stop();
    });

    const run = (options: { partitions: number; untilViolation?: boolean }) =>
      beliefTorture({
        etcd,
        seed: torture.seed,
        ttl: 2_000,
        prefix: SESSIONS_PREFIX,
        open: openSession,
        ...options,
      });

    it('the signal comes before etcd deletes the keys, in every partition', { timeout: LONG }, async () => {
      const { leads, violations, ...report } = await run({
        partitions: Math.max(100, Math.round(torture.seconds * 3.5)),
      });
      process.stdout.write(`no false belief: ${JSON.stringify({ ...report, leadMs: quantiles(leads) })}\n`);
      expect(violations).toEqual([]);
      expect(leads.length).toBeGreaterThanOrEqual(100);
      for (const kind of ['stall', 'refuse', 'answers', 'delay', 'frozen']) {
        expect(report.partitions[kind], kind).toBeGreaterThanOrEqual(10);
      }
    });

    // A matter of when etcd looks for expired leases: mostly in the first rounds.
    it('is a test that fails: without the margin it turns red', { timeout: 4 * LONG }, async () => {
      vi.resetModules();
      vi.doMock(`${ROOM}/lease-margin.js`, () => ({ marginOf: () => 0 }));
      const { violations, leads, ...report } = await run({ partitions: 500, untilViolation: true });
      process.stdout.write(
        `without the margin: ${JSON.stringify({ ...report, leadMs: quantiles(leads) })}\n`,
      );
      expect(violations.length).toBeGreaterThan(0);
    });
  },
);
