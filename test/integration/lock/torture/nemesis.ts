import { setTimeout as sleep } from 'node:timers/promises';
import type { Etcd3 } from 'etcd3';
import type { EtcdClient } from '../../../../lib/coord/etcd/etcd.client.js';
import type { Mirror } from '../../../../lib/coord/etcd/mirror.js';
import type { EtcdProcess, SeededRandom } from '../../../../lib/testing/index.js';
import { type DepartureLog, type Disturbance, nameOf } from './ownership-history.js';
import type { TortureProcess } from './torture-process.js';
import { KEYS } from './torture-protocol.js';

export interface NemesisDeps {
  readonly etcd: EtcdProcess;
  readonly observer: EtcdClient;
  readonly raw: Etcd3;
  /** Of all locks. */
  readonly mirror: Mirror;
  /** Told beforehand which keys and leases are taken away. */
  readonly log: DepartureLog;
  readonly workers: readonly TortureProcess[];
  readonly ttl: number;
  readonly random: SeededRandom;
  /** The worker that acquired a lock last. */
  readonly owner: () => number;
}

/** Makes everything fail that can fail, two things at a time: what one hides the other may show. */
export class Nemesis {
  readonly counts: Record<string, number> = {};
  readonly timeline: string[] = [];
  readonly disturbances: Disturbance[] = [];
  readonly #deps: NemesisDeps;
  /** The worker that the fault begun last has struck. */
  #struck: number | undefined;

  constructor(deps: NemesisDeps) {
    this.#deps = deps;
  }

  /** Resolves after `ms` ms, when the last fault is over. */
  async rage(ms: number, names: readonly string[] = Object.keys(this.#faults)): Promise<void> {
    const { random } = this.#deps;
    const started = performance.now();
    const running = new Set<Promise<void>>();
    while (performance.now() < started + ms) {
      await sleep(random.integer(200, 1_500));
      // Keys are taken away more often: it shows only where nothing else disturbs the owner.
      const name = names.includes('key deleted') && random.chance(0.3) ? 'key deleted' : random.pick(names);
      this.timeline.push(`${name} at ${Math.round(performance.now() - started)} ms`);
      const fault: Promise<void> = this.#inflict(name).finally(() => running.delete(fault));
      running.add(fault);
      if (running.size >= 2) await Promise.race(running);
    }
    await Promise.all(running);
  }

  async #inflict(name: string): Promise<void> {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    this.#struck = undefined;
    const from = process.hrtime.bigint();
    const work = Promise.resolve(this.#faults[name]!());
    const disturbance: Disturbance = {
      worker: this.#struck,
      etcd: name.startsWith('etcd'),
      from,
      to: from,
    };
    if (name !== 'key deleted') this.disturbances.push(disturbance);
    await work.catch(() => undefined);
    disturbance.to = process.hrtime.bigint();
  }

  /** Rather the owner than anybody: what happens to those who wait is seldom of interest. */
  #victim(): TortureProcess {
    const { workers, random, owner } = this.#deps;
    this.#struck = random.chance(0.6) ? owner() : random.integer(0, workers.length - 1);
    return workers[this.#struck]!;
  }

  readonly #faults: Readonly<Record<string, () => Promise<void> | void>> = {
    'worker stopped': async () => {
      const worker = this.#victim();
      worker.pause();
      await this.#while(100, 3 * this.#deps.ttl);
      worker.resume();
    },
    'worker killed': () => this.#victim().restart(),
    'event loop blocked': () => this.#victim().block(this.#deps.random.integer(100, 2 * this.#deps.ttl)),
    'etcd stopped': async () => {
      const { etcd, ttl } = this.#deps;
      etcd.pause();
      await this.#while(100, ttl);
      etcd.resume();
    },
    'etcd killed': () => this.#deps.etcd.restart({ down: this.#deps.random.integer(0, 500) }),
    'link silent': async () => {
      const { proxy } = this.#victim();
      proxy.stall();
      await this.#while(100, 2.5 * this.#deps.ttl);
      proxy.resume();
    },
    // For longer than its lease: whoever believes too long shows it now.
    'owner silent': async () => {
      const { workers, owner, ttl } = this.#deps;
      this.#struck = owner();
      const { proxy } = workers[this.#struck]!;
      proxy.stall();
      await this.#while(1.2 * ttl, 2 * ttl);
      proxy.resume();
    },
    'link refused': async () => {
      const { proxy } = this.#victim();
      proxy.refuse();
      await this.#while(100, 2.5 * this.#deps.ttl);
      proxy.resume();
    },
    'link slow': async () => {
      const { proxy } = this.#victim();
      proxy.delay(0, this.#deps.random.integer(50, 500));
      await this.#while(500, this.#deps.ttl);
      proxy.resume();
    },
    'answers lost': async () => {
      const { proxy } = this.#victim();
      proxy.stallAtFrame({
        direction: 'server',
        path: this.#deps.random.pick(['/etcdserverpb.KV/Txn', '/etcdserverpb.Lease/LeaseKeepAlive']),
      });
      await this.#while(500, 1.5 * this.#deps.ttl);
      proxy.resume();
    },
    // Whoever counts from the answer believes too long; the silence after it is what shows that.
    'renewal answered late': async () => {
      const { proxy } = this.#victim();
      const { ttl, random } = this.#deps;
      const rule = proxy.stallAtFrame({
        direction: 'server',
        path: '/etcdserverpb.Lease/LeaseKeepAlive',
      });
      await Promise.race([rule.fired, sleep(ttl)]);
      // Less than the TTL/4 after which the connection is doubted.
      await sleep(random.integer(ttl / 10, ttl / 5));
      proxy.resume();
      await sleep(random.integer(20, 200));
      proxy.stall();
      await this.#while(ttl, 2.5 * ttl);
      proxy.resume();
    },
    'link cut': () => this.#victim().proxy.cut(),
    'lease revoked': () => this.#take('revoke'),
    'key deleted': () => this.#take('delete'),
  };

  #while(least: number, most: number): Promise<void> {
    return sleep(this.#deps.random.integer(least, most));
  }

  /** Takes a key away from whoever has it: its owner can only learn of it afterwards. */
  async #take(how: 'delete' | 'revoke'): Promise<void> {
    const { random, mirror, log, observer, raw } = this.#deps;
    const key = random.pick(KEYS);
    const queue = [...mirror.snapshot().entries.values()]
      .filter((kv) => kv.key.startsWith(`/locks/${key}/`))
      .sort((a, b) => (a.createRevision < b.createRevision ? -1 : 1));
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
  }
}
