import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type EtcdProcess, FaultProxy, SeededRandom } from '../../lib/testing/index.js';
import { until } from '../support/until.js';

/** One that believes in a lease. */
export interface Believer {
  /** The key that hangs on its lease. */
  readonly key: string;
  /** Calls back once, when it stops to believe. */
  onLoss(callback: () => void): void;
  believes(): boolean;
  close(): Promise<void> | void;
}

export interface BeliefTortureOptions {
  readonly etcd: EtcdProcess;
  readonly seed: number;
  readonly partitions: number;
  /** The TTL of the leases, in ms. */
  readonly ttl: number;
  /** The prefix of the keys that hang on the leases. */
  readonly prefix: string;
  open(endpoint: string, ttl: number): Promise<Believer>;
}

export interface BeliefTortureReport {
  readonly partitions: Readonly<Record<string, number>>;
  /** From the end of the belief to the deletion that others saw, in ms: negative is a false belief. */
  readonly leads: readonly number[];
  readonly violations: readonly string[];
  /** Rounds that were repeated, since the machine paused this process for longer than the margin. */
  readonly starved: number;
}

const AT_ONCE = 25;
/** The margin of a session is 250 ms at least; what is blocked on purpose stays below. */
const LONGEST_PAUSE = 240;
const MOST_STARVED = 10;
const KINDS = ['stall', 'refuse', 'answers', 'delay', 'stop'] as const;

/** Watches from another thread, on the clock that all threads share: this one is blocked on purpose. */
const OBSERVER = `
const { parentPort, workerData } = require('node:worker_threads');
const { Etcd3 } = require('etcd3');
const etcd = new Etcd3({ hosts: workerData.endpoint });
etcd.watch().prefix(workerData.prefix).create().then((watcher) => {
  watcher.on('delete', ({ key }) => parentPort.postMessage({ key: key.toString(), at: process.hrtime.bigint() }));
  parentPort.postMessage('watching');
});
`;

/**
 * Partitions believers from etcd in every way there is, while their event loop is blocked again and again for less than
 * the smallest margin, and asks another thread when their keys were really deleted: the belief must always end first.
 */
export async function beliefTorture(options: BeliefTortureOptions): Promise<BeliefTortureReport> {
  const random = new SeededRandom(options.seed);
  const deletions = new Map<string, bigint>();
  const observer = new Worker(OBSERVER, {
    eval: true,
    workerData: { endpoint: options.etcd.endpoint, prefix: options.prefix },
  });
  await new Promise<void>((resolve, reject) => {
    observer.once('error', reject);
    observer.on('message', (message: 'watching' | { key: string; at: bigint }) => {
      if (message === 'watching') resolve();
      else deletions.set(message.key, message.at);
    });
  });

  const partitions: Record<string, number> = {};
  const leads: number[] = [];
  const violations: string[] = [];
  let starved = 0;
  const pauses = monitorEventLoopDelay({ resolution: 10 });
  pauses.enable();
  for (let done = 0; done < options.partitions; done += AT_ONCE) {
    pauses.reset();
    const kinds = Array.from({ length: AT_ONCE }, (_, index) => KINDS[(done + index) % KINDS.length]!);
    const round = kinds.map((kind) => ({ kind: kind === 'stop' ? ('stall' as const) : kind }));
    const frozen = kinds.includes('stop') && random.integer(0, 2) === 0;
    const believers = await Promise.all(round.map(({ kind }) => partition(kind, options, random)));
    if (frozen) {
      options.etcd.pause();
      await sleep(300);
      options.etcd.resume();
    }
    const end = performance.now() + options.ttl * 1.8;
    while (performance.now() < end) {
      block(random.integer(60, 200));
      await sleep(random.integer(1, 40));
    }
    await until(() => believers.every(({ believer }) => deletions.has(believer.key)), {
      timeout: options.ttl * 4,
      what: 'the deletion of every key',
    });
    const outcomes = believers.map(({ believer, kind, lostAt }) => ({
      kind,
      key: believer.key,
      believes: believer.believes(),
      lost: lostAt(),
    }));
    await Promise.all(believers.map((each) => each.close()));
    // The machine has kept this process from running for longer than the margin: no signal can come through that.
    if (pauses.max / 1e6 > LONGEST_PAUSE && starved++ < MOST_STARVED) {
      done -= AT_ONCE;
      continue;
    }
    for (const { kind } of round) partitions[kind] = (partitions[kind] ?? 0) + 1;
    if (frozen) partitions['stop'] = (partitions['stop'] ?? 0) + 1;
    for (const { kind, key, believes, lost } of outcomes) {
      if (believes || lost === undefined) {
        violations.push(`${kind}: still believes in ${key}`);
        continue;
      }
      const lead = Number(deletions.get(key)! - lost) / 1e6;
      leads.push(lead);
      if (lead < 0) violations.push(`${kind}: believed for ${Math.round(-lead)} ms after ${key} was deleted`);
    }
  }
  pauses.disable();
  await observer.terminate();
  return { partitions, starved, leads: leads.toSorted((a, b) => a - b), violations };
}

async function partition(kind: (typeof KINDS)[number], options: BeliefTortureOptions, random: SeededRandom) {
  const proxy = await FaultProxy.start({ target: options.etcd.endpoint, seed: random.integer(1, 1e9) });
  let believer = await options.open(proxy.endpoint, options.ttl);
  // On a busy machine a lease may end before its partition begins: that proves nothing.
  while (!believer.believes()) {
    await believer.close();
    believer = await options.open(proxy.endpoint, options.ttl);
  }
  let lost: bigint | undefined;
  believer.onLoss(() => (lost = process.hrtime.bigint()));
  await sleep(random.integer(0, options.ttl / 2));
  if (kind === 'stall') proxy.stall();
  if (kind === 'refuse') proxy.refuse();
  if (kind === 'delay') proxy.delay(options.ttl * 3);
  // Renewals still reach etcd; only the answers are lost, then everything.
  if (kind === 'answers') {
    proxy.stallAtFrame({ path: '/etcdserverpb.Lease/LeaseKeepAlive', direction: 'server' });
    await sleep(options.ttl / 2);
    proxy.stall();
  }
  return {
    believer,
    kind,
    lostAt: () => lost,
    close: async () => {
      await proxy.close();
      await believer.close();
    },
  };
}

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** The quantiles of a sorted list, for the report. */
export function quantiles(sorted: readonly number[]): Record<string, number> {
  const at = (share: number): number =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN);
  return { least: at(0), p10: at(0.1), p50: at(0.5), p90: at(0.9), most: at(1) };
}
