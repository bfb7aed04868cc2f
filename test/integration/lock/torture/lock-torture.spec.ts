import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EtcdProcess } from '../../../../lib/testing/index.js';
import { etcdKinds } from '../../etcd-kinds.js';
import { torture } from '../../../faults/torture-settings.js';
import { bundleWorker, type Mutation } from './bundle-worker.js';
import { lockTorture, type LockTortureOptions, type LockTortureReport } from './lock-torture.js';

interface Mutated extends Mutation {
  /** What it has to be found out by. */
  readonly shows: RegExp;
  /** Those under which it shows soonest. */
  readonly faults: readonly string[];
}

/** Each takes one of the three things away that make the lock tell the truth. */
const mutations: readonly Mutated[] = [
  {
    name: 'no-margin',
    shows: /was claimed .* after its key went, up to/,
    faults: ['owner silent'],
    edits: [{ file: 'lib/coord/etcd/lease-deadline.ts', from: 'ttl - marginOf(ttl)', to: 'ttl' }],
  },
  {
    name: 'no-own-key',
    shows: /was claimed .* \(taken away\)/,
    faults: ['key deleted'],
    edits: [
      {
        file: 'lib/coord/lock/queue-watches.ts',
        from: "gone: () => place.end(new LockLostError('its key was deleted in etcd')),",
        to: 'gone: () => undefined,',
      },
    ],
  },
  {
    name: 'no-guard',
    shows: /the guarded counter/,
    faults: ['key deleted'],
    edits: [
      {
        file: 'lib/coord/lock/held-lock.ts',
        from: "return this.#place.keys.map((key) => ({ key, target: 'create', value: this.#place.revision }));",
        to: 'return [];',
      },
    ],
  },
];

/** A minute each, unless the environment says how long. */
const seconds = process.env['IM_TORTURE_SECONDS'] === undefined ? 60 : torture.seconds;

describe.runIf((await etcdKinds()).includes('binary'))('locks under every fault at once', () => {
  let folder: string;
  let etcd: EtcdProcess;
  beforeAll(async () => {
    // Inside the repository, where the worker finds its packages.
    const cache = fileURLToPath(new URL('../../../../node_modules/.cache/', import.meta.url));
    await mkdir(cache, { recursive: true });
    folder = await mkdtemp(`${cache}lock-torture-`);
    etcd = await EtcdProcess.start();
  });
  afterAll(async () => {
    await etcd.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const run = async (
    seed: number,
    seconds: number,
    { mutation, ...what }: Pick<LockTortureOptions, 'contender' | 'faults'> & { mutation?: Mutation } = {},
  ): Promise<LockTortureReport> => {
    await etcd.wipe();
    const script = await bundleWorker(folder, mutation);
    const report = await lockTorture({ etcd, script, seed, seconds, ttl: 2_000, workers: 4, ...what });
    const name = mutation?.name ?? what.contender ?? 'ours';
    process.stdout.write(`lock torture (${name}): ${JSON.stringify(report)}\n`);
    return report;
  };
  const limit = (seconds: number) => ({ timeout: (seconds + 60) * 1_000 });

  it.each([torture.seed, (torture.seed + 1) % 2 ** 32])(
    'are never believed in by two, and nothing is left behind (seed %i)',
    limit(seconds),
    async (seed) => {
      const report = await run(seed, seconds);
      expect(report.violations).toEqual([]);
      expect(report.acquired).toBeGreaterThan(seconds / 2);
    },
  );

  it("are believed in by two where they are etcd3's own", limit(240), async () => {
    // No key is taken away here: each of these faults lets a lease run out, and the owner has to notice by itself.
    const faults = ['link silent', 'link refused', 'worker stopped', 'event loop blocked', 'etcd stopped'];
    for (let attempt = 0; ; attempt++) {
      const seed = (torture.seed + attempt) % 2 ** 32;
      const { violations } = await run(seed, 15, { contender: 'etcd3', faults });
      if (violations.some((each) => /before token \d+ .* ended/.test(each))) return;
      expect(attempt).toBeLessThan(6);
    }
  });

  it.each(mutations)('are found out with $name', limit(240), async ({ faults, shows, ...mutation }) => {
    for (let attempt = 0; ; attempt++) {
      const seed = (torture.seed + attempt) % 2 ** 32;
      const { violations } = await run(seed, 12, { mutation, faults });
      if (violations.some((violation) => shows.test(violation))) return;
      expect(attempt).toBeLessThan(8);
    }
  });
});
