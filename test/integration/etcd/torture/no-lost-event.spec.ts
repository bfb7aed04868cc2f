import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { KeyRange, KeyValue } from '../../../../lib/coord/etcd/kv.js';
import type { WatchListener } from '../../../../lib/coord/etcd/watch-hub.js';
import { EtcdProcess } from '../../../../lib/testing/index.js';
import { onPath } from '../../../../lib/testing/on-path.js';
import { type EventReader, eventTorture, type Observation } from '../../../faults/event-torture.js';
import { torture } from '../../../faults/torture-settings.js';

const ROOM = '../../../../lib/coord/etcd';
const LONG = torture.seconds * 5_000 + 60_000;

const idOf = (kv: KeyValue): string => kv.value.subarray(0, kv.value.indexOf(':')).toString();

/** Our mirror as a reader; from the module graph as it is now, which a mutation may have changed. */
async function openMirror(endpoint: string, prefix: string): Promise<EventReader> {
  const { openClient } = await import('../../../support/open-client.js');
  const { prefixRange } = await import(`${ROOM}/kv.js`);
  const client = openClient([endpoint], {
    progressInterval: 200,
    progressTimeout: 300,
    requestTimeout: 4_000,
  });
  const mirror = client.mirror(prefixRange(prefix));
  const observations: Observation[] = [];
  mirror.subscribe(({ revision, cause, changes }) => {
    observations.push({
      revision,
      kind: cause === 'watch' ? 'watch' : 'list',
      changes: new Map(changes.map(({ key, current }) => [key, current && idOf(current)])),
    });
  });
  await mirror.ready({ timeout: 10_000 });
  return {
    observations,
    state: () => new Map([...mirror.snapshot().entries].map(([key, kv]) => [key, idOf(kv)])),
    close: () => client.close(),
  };
}

describe.skipIf(onPath('etcd') === undefined)(
  `no event is lost (seed ${torture.seed}, needs etcd on PATH)`,
  () => {
    let etcd: EtcdProcess;
    beforeEach(async () => {
      etcd = await EtcdProcess.start();
    });
    afterEach(async () => {
      vi.doUnmock(`${ROOM}/watch-hub.js`);
      vi.doUnmock(`${ROOM}/snapshot-map.js`);
      vi.resetModules();
      await etcd.stop();
    });

    const run = (compaction: boolean, seconds: number, revisions: number, settle = 15_000) =>
      eventTorture({ etcd, seed: torture.seed, seconds, revisions, compaction, settle, open: openMirror });

    it(
      'the exact sequence arrives, through cuts at every kind of frame, stalls and restarts',
      { timeout: LONG },
      async () => {
        const { violations, ...report } = await run(false, torture.seconds, 20_000);
        process.stdout.write(`no lost event: ${JSON.stringify(report)}\n`);
        expect(violations).toEqual([]);
        expect(report.revisions).toBeGreaterThanOrEqual(20_000);
        expect(report.largest).toBeGreaterThan(512 * 1024);
        expect(report.faults['restart']).toBeGreaterThan(0);
        expect(report.faults['events']).toBeGreaterThan(5);
        expect(report.faults['watch requests']).toBeGreaterThan(0);
        expect(report.faults['reads']).toBeGreaterThan(0);
      },
    );

    it(
      'the exact map arrives when the history was compacted away, deletions included',
      { timeout: LONG },
      async () => {
        const { violations, ...report } = await run(true, torture.seconds, 5_000);
        process.stdout.write(`no lost event, compacted: ${JSON.stringify(report)}\n`);
        expect(violations).toEqual([]);
        expect(report.relists).toBeGreaterThan(0);
        expect(report.faults['compaction']).toBeGreaterThan(0);
        expect(report.faults['restart']).toBeGreaterThan(0);
        expect(report.faults['events']).toBeGreaterThan(0);
        expect(report.faults['reads']).toBeGreaterThan(0);
      },
    );

    it(
      'is a test that fails: resuming from now instead of from what was delivered turns it red',
      { timeout: LONG },
      async () => {
        vi.resetModules();
        vi.doMock(`${ROOM}/watch-hub.js`, async (original) => {
          const { WatchHub } = await original<typeof import('../../../../lib/coord/etcd/watch-hub.js')>();
          return {
            WatchHub: class extends WatchHub {
              override watch(range: KeyRange, _: bigint, listener: WatchListener) {
                return super.watch(range, 0n, listener);
              }
            },
          };
        });
        const { violations } = await run(false, 8, 2_000, 1_000);
        expect(violations.filter((text) => /\d+ revisions lost before/.test(text))).not.toEqual([]);
      },
    );

    it('is a test that fails: a new list without the deletions turns it red', { timeout: LONG }, async () => {
      vi.resetModules();
      vi.doMock(`${ROOM}/snapshot-map.js`, async (original) => {
        const { SnapshotMap } = await original<typeof import('../../../../lib/coord/etcd/snapshot-map.js')>();
        return {
          SnapshotMap: class extends SnapshotMap {
            override replace(revision: bigint, kvs: readonly KeyValue[]) {
              const merged = new Map([...this.entries, ...kvs.map((kv) => [kv.key, kv] as const)]);
              return super.replace(revision, [...merged.values()]);
            }
          },
        };
      });
      const { violations } = await run(true, 10, 2_000, 1_000);
      expect(violations.filter((text) => /never was|final state/.test(text))).not.toEqual([]);
    });
  },
);
