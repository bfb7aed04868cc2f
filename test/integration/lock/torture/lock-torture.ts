import { setTimeout as sleep } from 'node:timers/promises';
import { Etcd3 } from 'etcd3';
import { resolveCoordOptions } from '../../../../lib/coord/coord.options.js';
import { EtcdClient } from '../../../../lib/coord/etcd/etcd.client.js';
import { prefixRange } from '../../../../lib/coord/etcd/kv.js';
import { type EtcdProcess, SeededRandom } from '../../../../lib/testing/index.js';
import { FencedResource } from './fenced-resource.js';
import { Nemesis } from './nemesis.js';
import { DepartureLog, earlyClaims, falseClaims, linearizability, overlaps } from './ownership-history.js';
import { type Tally, TortureProcess } from './torture-process.js';
import { counterOf, KEYS, type WorkerSettings } from './torture-protocol.js';

export interface LockTortureOptions {
  readonly etcd: EtcdProcess;
  /** The bundled worker. */
  readonly script: string;
  readonly seed: number;
  readonly seconds: number;
  /** The TTL of the locks, in ms. */
  readonly ttl: number;
  readonly workers: number;
  /** @default 'ours' */
  readonly contender?: WorkerSettings['contender'];
  /** The names of the faults to draw from. @default all */
  readonly faults?: readonly string[];
}

/** A clock so slow makes 2 s of 2.2 s: what the margin of the shortest TTL, 250 ms, has to make up for. */
const SLOW_CLOCK = 0.9;

export interface LockTortureReport {
  readonly seed: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly acquired: number;
  readonly claims: number;
  readonly failedAcquisitions: number;
  readonly fenced: { readonly written: number; readonly refused: number };
  readonly guarded: { readonly written: number; readonly refused: number; readonly unknown: number };
  /** From the end of the last fault to the moment by which somebody had owned each of the locks, in ms. */
  readonly recovered: number;
  readonly violations: readonly string[];
}

/**
 * Several processes with slow clocks fight for one lock while everything around them fails: processes and
 * etcd stopped, killed and restarted, links cut, silent, slow and refused, event loops blocked, leases revoked, keys
 * deleted. Asks afterwards whether anybody ever believed to hold what it did not hold.
 */
export async function lockTorture(options: LockTortureOptions): Promise<LockTortureReport> {
  const { etcd, ttl, seconds } = options;
  const random = new SeededRandom(options.seed);
  const observer = EtcdClient.create(resolveCoordOptions({ endpoints: [etcd.endpoint] }).etcd);
  const raw = new Etcd3({ hosts: [etcd.endpoint] });
  await observer.ready();
  const mirror = observer.mirror(prefixRange('/locks/'));
  const log = new DepartureLog(mirror);
  await mirror.ready();
  const tally: Tally = {
    owned: new Map(),
    guarded: new Map(KEYS.map((key) => [key, { written: 0, refused: 0, unknown: 0 }])),
    resources: new Map(KEYS.map((key) => [key, new FencedResource()])),
    failed: 0,
    crashed: 0,
    claims: 0,
    lastSeen: new Map(KEYS.map((key) => [key, 0])),
    lastOwner: 0,
  };
  const workers = await Promise.all(
    Array.from({ length: options.workers }, (_, worker) =>
      TortureProcess.start(
        options.script,
        etcd.endpoint,
        {
          contender: options.contender ?? 'ours',
          worker,
          ttl,
          keys: KEYS,
          tasks: 3,
          clockRate: SLOW_CLOCK,
        },
        tally,
      ),
    ),
  );

  const nemesis = new Nemesis({
    etcd,
    observer,
    raw,
    mirror,
    log,
    workers,
    ttl,
    random,
    owner: () => tally.lastOwner,
  });
  await nemesis.rage(seconds * 1_000, options.faults);
  const { counts, disturbances } = nemesis;

  const calm = performance.now();
  for (const worker of workers) worker.calm();
  const lastSeen = (): number => Math.min(...tally.lastSeen.values());
  while (lastSeen() < calm && performance.now() < calm + 4 * ttl + 10_000) await sleep(10);
  const recovered = lastSeen() - calm;
  const limit = 4 * ttl + 10_000;
  const idle = await Promise.all(workers.map((worker) => worker.stop(limit)));
  // Nobody wants a lock any more, and every session that is renewed lives: a place that is left is a phantom.
  const phantoms = await leftovers(observer, ['/locks/'], ttl);
  const ended = await Promise.all(workers.map((worker) => worker.close(limit)));
  await sleep(500);

  const owned = [...tally.owned.values()];
  // An owner of some time is watched after min(1 s, TTL/3), in rounds of 250 ms; the rest is for a busy machine.
  const violations = falseClaims(owned, log.departures, disturbances, {
    notice: 2_000,
    session: ttl + 1_000,
  });
  violations.push(...earlyClaims(owned, log.departures, disturbances, 1_000));
  for (const key of KEYS) {
    const ofKey = owned.filter((each) => each.key === key);
    violations.push(...tally.resources.get(key)!.violations, ...overlaps(ofKey, log.departures));
    const order = linearizability(ofKey, log.departures);
    if (order !== undefined) violations.push(order);
    const counter = Number((await observer.range({ key: counterOf(key) })).kvs[0]?.value.toString() ?? 0);
    const { written, unknown } = tally.guarded.get(key)!;
    // A worker that was killed may have written without having said so, once for each of its tasks.
    const most = written + unknown + 3 * (counts['worker killed'] ?? 0);
    if (counter < written || counter > most) {
      violations.push(`the guarded counter of ${key} is ${counter} after ${written} writes, ${most} at most`);
    }
  }
  if (tally.crashed > 0) violations.push(`${tally.crashed} workers crashed`);
  if (!(recovered >= 0 && recovered <= ttl + 2_000)) {
    violations.push(`there was a lock that nobody owned for ${recovered} ms after the faults`);
  }
  workers.forEach((_, worker) => {
    if (!idle[worker] || !ended[worker]) violations.push(`worker ${worker} did not come to its end`);
  });
  violations.push(...phantoms.map((key) => `left behind by a session that lives: ${key}`));
  const left = await leftovers(observer, ['/locks/', '/im-infra/sessions/'], ttl);
  violations.push(...left.map((key) => `left behind: ${key}`));
  if (violations.length > 0) violations.push(`the faults were: ${nemesis.timeline.join(', ')}`);
  raw.close();
  mirror.close();
  await observer.close();
  return {
    seed: options.seed,
    faults: counts,
    acquired: tally.owned.size,
    claims: tally.claims,
    failedAcquisitions: tally.failed,
    fenced: sum([...tally.resources.values()], ['written', 'refused']),
    guarded: sum([...tally.guarded.values()], ['written', 'refused', 'unknown']),
    recovered: Math.round(recovered),
    violations,
  };
}

function sum<K extends string>(counts: readonly Record<K, number>[], names: readonly K[]): Record<K, number> {
  const totals = names.map((name) => [name, counts.reduce((total, each) => total + each[name], 0)]);
  return Object.fromEntries(totals) as Record<K, number>;
}

/**
 * What is still in etcd when everybody has had the time to go, and every lease to end. The key of a session's epoch belongs
 * to the session.
 */
async function leftovers(client: EtcdClient, prefixes: readonly string[], ttl: number): Promise<string[]> {
  const end = performance.now() + 2 * ttl + 3_000;
  for (;;) {
    const found: string[] = [];
    for (const prefix of prefixes) {
      const { kvs } = await client.range({ ...prefixRange(prefix), keysOnly: true });
      found.push(...kvs.map(({ key }) => key));
    }
    const places = prefixes.length > 1 ? found : found.filter((key) => !key.startsWith('/locks//epoch/'));
    if (places.length === 0 || performance.now() > end) return places;
    await sleep(100);
  }
}
