import { setTimeout as sleep } from 'node:timers/promises';
import { Etcd3 } from 'etcd3';
import { resolveCoordOptions } from '../../../../lib/coord/coord.options.js';
import { EtcdClient } from '../../../../lib/coord/etcd/etcd.client.js';
import { prefixRange } from '../../../../lib/coord/etcd/kv.js';
import { type EtcdProcess, SeededRandom } from '../../../../lib/testing/index.js';
import { FencedResource } from './fenced-resource.js';
import { DepartureLog, falseClaims, linearizability, overlaps } from './ownership-history.js';
import { type Tally, TortureProcess } from './torture-process.js';

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
  readonly resource: { readonly written: number; readonly refused: number };
  readonly guarded: { readonly written: number; readonly refused: number; readonly unknown: number };
  /** From the end of the last fault to the next moment at which somebody owned the lock, in ms. */
  readonly recovered: number;
  readonly violations: readonly string[];
}

const KEY = 'torture';
const QUEUE = `/locks/${KEY}/`;
const COUNTER = '/torture/counter';

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
  const mirror = observer.mirror(prefixRange(QUEUE));
  const log = new DepartureLog(mirror);
  await mirror.ready();
  const tally: Tally = {
    owned: new Map(),
    guarded: { written: 0, refused: 0, unknown: 0 },
    resource: new FencedResource(),
    failed: 0,
    crashed: 0,
    claims: 0,
    lastSeen: 0,
  };
  const workers = await Promise.all(
    Array.from({ length: options.workers }, (_, worker) =>
      TortureProcess.start(
        options.script,
        etcd.endpoint,
        { worker, ttl, key: KEY, counter: COUNTER, tasks: 2 },
        tally,
      ),
    ),
  );

  /** Takes a key away from whoever has it: its owner can only learn of it afterwards. */
  const take = async (how: 'delete' | 'revoke'): Promise<void> => {
    const queue = [...mirror.snapshot().entries.values()].sort((a, b) =>
      a.createRevision < b.createRevision ? -1 : 1,
    );
    const victim = queue[random.integer(0, 1) === 0 ? 0 : random.integer(0, Math.max(0, queue.length - 1))];
    if (!victim) return;
    if (how === 'delete') {
      log.doomed.add(victim.createRevision);
      await observer.commit(
        {
          compare: [{ key: victim.key, target: 'create', value: victim.createRevision }],
          success: [{ delete: { key: victim.key } }],
        },
        { timeout: 5_000, idempotent: true },
      );
    } else {
      log.doomedLeases.add(victim.lease);
      await raw.leaseClient.leaseRevoke({ ID: victim.lease.toString() });
    }
  };

  const faults: Record<string, () => Promise<void> | void> = {
    'worker stopped': async () => {
      const worker = random.pick(workers);
      worker.pause();
      await sleep(random.integer(100, 3 * ttl));
      worker.resume();
    },
    'worker killed': () => random.pick(workers).restart(),
    'event loop blocked': () => random.pick(workers).block(random.integer(100, 2 * ttl)),
    'etcd stopped': async () => {
      etcd.pause();
      await sleep(random.integer(100, ttl));
      etcd.resume();
    },
    'etcd killed': () => etcd.restart({ down: random.integer(0, 500) }),
    'link silent': async () => {
      const { proxy } = random.pick(workers);
      proxy.stall();
      await sleep(random.integer(100, 1.8 * ttl));
      proxy.resume();
    },
    'link refused': async () => {
      const { proxy } = random.pick(workers);
      proxy.refuse();
      await sleep(random.integer(100, 1.5 * ttl));
      proxy.resume();
    },
    'link slow': async () => {
      const { proxy } = random.pick(workers);
      proxy.delay(0, random.integer(50, 500));
      await sleep(random.integer(500, ttl));
      proxy.resume();
    },
    'answers lost': async () => {
      const { proxy } = random.pick(workers);
      proxy.stallAtFrame({
        direction: 'server',
        path: random.pick(['/etcdserverpb.KV/Txn', '/etcdserverpb.Lease/LeaseKeepAlive']),
      });
      await sleep(random.integer(500, 1.5 * ttl));
      proxy.resume();
    },
    'link cut': () => random.pick(workers).proxy.cut(),
    'lease revoked': () => take('revoke'),
    'key deleted': () => take('delete'),
  };

  const counts: Record<string, number> = {};
  const end = performance.now() + seconds * 1_000;
  const running = new Set<Promise<void>>();
  while (performance.now() < end) {
    await sleep(random.integer(200, 1_500));
    const name = random.pick(Object.keys(faults));
    counts[name] = (counts[name] ?? 0) + 1;
    // Two faults at a time: what one hides the other may show.
    const fault: Promise<void> = Promise.resolve(faults[name]!())
      .catch(() => undefined)
      .finally(() => running.delete(fault));
    running.add(fault);
    if (running.size >= 2) await Promise.race(running);
  }
  await Promise.all(running);

  const calm = performance.now();
  while (tally.lastSeen < calm && performance.now() < calm + 4 * ttl + 10_000) await sleep(10);
  const recovered = tally.lastSeen - calm;
  const ended = await Promise.all(workers.map((worker) => worker.stop(4 * ttl + 10_000)));
  await sleep(500);

  const violations = [
    ...tally.resource.violations,
    ...falseClaims(tally.owned, log.departures, ttl + 1_000),
    ...overlaps(tally.owned, log.departures),
  ];
  if (tally.crashed > 0) violations.push(`${tally.crashed} workers crashed`);
  const order = linearizability(tally.owned, log.departures);
  if (order !== undefined) violations.push(order);
  if (!(recovered >= 0 && recovered <= ttl + 2_000))
    violations.push(`nobody owned the lock for ${recovered} ms after the faults`);
  ended.forEach((ok, worker) => {
    if (!ok) violations.push(`worker ${worker} did not come to its end`);
  });
  const counter = Number((await observer.range({ key: COUNTER })).kvs[0]?.value.toString() ?? 0);
  const { written, unknown } = tally.guarded;
  if (counter < written || counter > written + unknown + 2 * (counts['worker killed'] ?? 0)) {
    violations.push(
      `the guarded counter is ${counter} after ${written} writes (${unknown} of unknown outcome)`,
    );
  }
  violations.push(...(await leftovers(observer, ttl)));
  raw.close();
  mirror.close();
  await observer.close();
  return {
    seed: options.seed,
    faults: counts,
    acquired: tally.owned.size,
    claims: tally.claims,
    failedAcquisitions: tally.failed,
    resource: { written: tally.resource.written, refused: tally.resource.refused },
    guarded: tally.guarded,
    recovered: Math.round(recovered),
    violations,
  };
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
