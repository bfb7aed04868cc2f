import { setTimeout as sleep } from 'node:timers/promises';
import { Etcd3 } from 'etcd3';
import { resolveCoordOptions } from '../../../../lib/coord/coord.options.js';
import { EtcdClient } from '../../../../lib/coord/etcd/etcd.client.js';
import { prefixRange } from '../../../../lib/coord/etcd/kv.js';
import { type EtcdProcess, SeededRandom } from '../../../../lib/testing/index.js';
import { FencedResource } from './fenced-resource.js';
import {
  DepartureLog,
  type Disturbance,
  falseClaims,
  linearizability,
  nameOf,
  overlaps,
} from './ownership-history.js';
import { type Tally, TortureProcess } from './torture-process.js';
import { counterOf } from './torture-protocol.js';

export interface LockTortureOptions {
  readonly etcd: EtcdProcess;
  /** The bundled worker. */
  readonly script: string;
  readonly seed: number;
  readonly seconds: number;
  /** The TTL of the locks, in ms. */
  readonly ttl: number;
  readonly workers: number;
}

export interface LockTortureReport {
  readonly seed: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly acquired: number;
  readonly claims: number;
  readonly failedAcquisitions: number;
  readonly fenced: { readonly written: number; readonly refused: number };
  readonly guarded: { readonly written: number; readonly refused: number; readonly unknown: number };
  /** From the end of the last fault to the next moment at which somebody owned the lock, in ms. */
  readonly recovered: number;
  readonly violations: readonly string[];
}

const KEYS = ['a', 'b', 'c'];

/**
 * Several processes fight for one lock while everything around them fails: processes and etcd stopped, killed and
 * restarted, links cut, silent, slow and refused, event loops blocked, leases revoked, keys deleted. Asks afterwards
 * whether anybody ever believed to hold what it did not hold.
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
    lastSeen: 0,
    lastOwner: 0,
  };
  const workers = await Promise.all(
    Array.from({ length: options.workers }, (_, worker) =>
      TortureProcess.start(options.script, etcd.endpoint, { worker, ttl, keys: KEYS, tasks: 3 }, tally),
    ),
  );

  /** Takes a key away from whoever has it: its owner can only learn of it afterwards. */
  const take = async (how: 'delete' | 'revoke'): Promise<void> => {
    const key = random.pick(KEYS);
    const places = [...mirror.snapshot().entries.values()].filter((kv) =>
      kv.key.startsWith(`/locks/${key}/`),
    );
    const queue = places.sort((a, b) => (a.createRevision < b.createRevision ? -1 : 1));
    const doomed = queue[random.chance(0.8) ? 0 : random.integer(0, Math.max(0, queue.length - 1))];
    if (!doomed) return;
    if (how === 'delete') {
      log.doomed.add(nameOf({ key, token: doomed.createRevision }));
      await observer.commit(
        {
          compare: [{ key: doomed.key, target: 'create', value: doomed.createRevision }],
          success: [{ delete: { key: doomed.key } }],
        },
        { timeout: 5_000, idempotent: true },
      );
    } else {
      log.doomedLeases.add(doomed.lease);
      await raw.leaseClient.leaseRevoke({ ID: doomed.lease.toString() });
    }
  };

  /** Rather the owner than anybody: what happens to those who wait is seldom of interest. */
  const victim = (): TortureProcess => {
    const worker = random.chance(0.6) ? tally.lastOwner : random.integer(0, workers.length - 1);
    struck = worker;
    return workers[worker]!;
  };
  const disturbances: Disturbance[] = [];
  let struck: number | undefined;

  const faults: Record<string, () => Promise<void> | void> = {
    'worker stopped': async () => {
      const worker = victim();
      worker.pause();
      await sleep(random.integer(100, 3 * ttl));
      worker.resume();
    },
    'worker killed': () => victim().restart(),
    'event loop blocked': () => victim().block(random.integer(100, 2 * ttl)),
    'etcd stopped': async () => {
      etcd.pause();
      await sleep(random.integer(100, ttl));
      etcd.resume();
    },
    'etcd killed': () => etcd.restart({ down: random.integer(0, 500) }),
    'link silent': async () => {
      const { proxy } = victim();
      proxy.stall();
      await sleep(random.integer(100, 2.5 * ttl));
      proxy.resume();
    },
    'link refused': async () => {
      const { proxy } = victim();
      proxy.refuse();
      await sleep(random.integer(100, 2.5 * ttl));
      proxy.resume();
    },
    'link slow': async () => {
      const { proxy } = victim();
      proxy.delay(0, random.integer(50, 500));
      await sleep(random.integer(500, ttl));
      proxy.resume();
    },
    'answers lost': async () => {
      const { proxy } = victim();
      proxy.stallAtFrame({
        direction: 'server',
        path: random.pick(['/etcdserverpb.KV/Txn', '/etcdserverpb.Lease/LeaseKeepAlive']),
      });
      await sleep(random.integer(500, 1.5 * ttl));
      proxy.resume();
    },
    'link cut': () => victim().proxy.cut(),
    'lease revoked': () => take('revoke'),
    'key deleted': () => take('delete'),
  };

  const counts: Record<string, number> = {};
  const started = performance.now();
  const timeline: string[] = [];
  const end = started + seconds * 1_000;
  const running = new Set<Promise<void>>();
  while (performance.now() < end) {
    await sleep(random.integer(200, 1_500));
    // Keys are taken away more often: it shows only where nothing else disturbs the owner.
    const name = random.chance(0.3) ? 'key deleted' : random.pick(Object.keys(faults));
    counts[name] = (counts[name] ?? 0) + 1;
    timeline.push(`${name} at ${Math.round(performance.now() - started)} ms`);
    // Two faults at a time: what one hides the other may show.
    struck = undefined;
    const from = process.hrtime.bigint();
    const work = Promise.resolve(faults[name]!());
    const disturbance: Disturbance = { worker: struck, from, to: from };
    if (name !== 'key deleted') disturbances.push(disturbance);
    const fault: Promise<void> = work
      .catch(() => undefined)
      .finally(() => {
        disturbance.to = process.hrtime.bigint();
        running.delete(fault);
      });
    running.add(fault);
    if (running.size >= 2) await Promise.race(running);
  }
  await Promise.all(running);

  const calm = performance.now();
  while (tally.lastSeen < calm && performance.now() < calm + 4 * ttl + 10_000) await sleep(10);
  const recovered = tally.lastSeen - calm;
  const ended = await Promise.all(workers.map((worker) => worker.stop(4 * ttl + 10_000)));
  await sleep(500);

  const owned = [...tally.owned.values()];
  // An owner of some time is watched after min(1 s, TTL/3), in rounds of 250 ms; the rest is for a busy machine.
  const violations = falseClaims(owned, log.departures, disturbances, {
    notice: 2_000,
    session: ttl + 1_000,
  });
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
    violations.push(`nobody owned a lock for ${recovered} ms after the faults`);
  }
  ended.forEach((ok, worker) => {
    if (!ok) violations.push(`worker ${worker} did not come to its end`);
  });
  violations.push(...(await leftovers(observer, ttl)));
  if (violations.length > 0) violations.push(`the faults were: ${timeline.join(', ')}`);
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

/** What is still in etcd when everybody has gone and every lease has had the time to end. */
async function leftovers(client: EtcdClient, ttl: number): Promise<string[]> {
  const end = performance.now() + 2 * ttl + 3_000;
  for (;;) {
    const found: string[] = [];
    for (const prefix of ['/locks/', '/im-infra/sessions/']) {
      const { kvs } = await client.range({ ...prefixRange(prefix), keysOnly: true });
      found.push(...kvs.map(({ key }) => `left behind: ${key}`));
    }
    if (found.length === 0 || performance.now() > end) return found;
    await sleep(100);
  }
}
