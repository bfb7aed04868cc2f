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
  /** Ends with the first round that has a violation: for what is expected to have one. @default false */
  readonly untilViolation?: boolean;
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
  /** Partitions not judged: the machine kept this process from running for longer than the margin when it mattered. */
  readonly starved: number;
}

const AT_ONCE = 25;
/** The margin of a session is 250 ms at least; what is blocked on purpose stays below. */
const LONGEST_PAUSE = 240;
/** Rounds for each that is asked for, where the machine starves this process. */
const PATIENCE = 4;
const LINKS = ['stall', 'refuse', 'answers', 'delay'] as const;
type Kind = (typeof LINKS)[number] | 'frozen';

/** The rounds in which etcd itself is frozen, for longer than the TTL; in the others each link is struck by itself. */
const isFrozen = (round: number): boolean => round % 4 === 3;

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
  const turns = new Turns();
  const most = Math.ceil(options.partitions / AT_ONCE) * PATIENCE;
  for (let round = 0; leads.length < options.partitions && round < most; round++) {
    const kinds = Array.from({ length: AT_ONCE }, (_, index): Kind =>
      isFrozen(round) ? 'frozen' : LINKS[index % LINKS.length]!,
    );
    const believers = await Promise.all(kinds.map((kind) => partition(kind, options, random)));
    const thaw = isFrozen(round) ? freeze(options, random) : undefined;
    const end = performance.now() + options.ttl * 1.8;
    while (performance.now() < end) {
      block(random.integer(60, 200));
      await sleep(random.integer(1, 40));
    }
    await thaw;
    await until(() => believers.every(({ believer }) => deletions.has(believer.key)), {
      timeout: options.ttl * 10,
      what: 'the deletion of every key',
    });
    for (const { kind, believer, lostAt } of believers) {
      const deleted = deletions.get(believer.key)!;
      // Before its signal is looked at: who asks the clock may learn of the loss only now.
      const believes = believer.believes();
      const lost = lostAt();
      const lead = Number(deleted - (lost ?? process.hrtime.bigint())) / 1e6;
      if (believes || lost === undefined) {
        violations.push(`${kind}: still believes in ${believer.key}`);
      } else if (lead < 0) {
        // No signal can come while the machine keeps this process from running for longer than the margin.
        if (turns.longestPause(deleted) > LONGEST_PAUSE) {
          starved++;
          continue;
        }
        violations.push(`${kind}: believed for ${Math.round(-lead)} ms after ${believer.key} was deleted`);
      }
      partitions[kind] = (partitions[kind] ?? 0) + 1;
      leads.push(lead);
    }
    await Promise.all(believers.map((each) => each.close()));
    turns.forget();
    if (options.untilViolation && violations.length > 0) break;
  }
  turns.stop();
  await observer.terminate();
  return { partitions, starved, leads: leads.toSorted((a, b) => a - b), violations };
}

/** Resolves when etcd goes on, after more than the TTL of every lease. */
async function freeze({ etcd, ttl }: BeliefTortureOptions, random: SeededRandom): Promise<void> {
  etcd.pause();
  await sleep(random.integer(ttl * 1.1, ttl * 1.5));
  etcd.resume();
}

/** When this thread's event loop turned, to tell the machine's pauses from a belief that was held for too long. */
class Turns {
  #at: bigint[] = [];
  readonly #timer = setInterval(() => this.#at.push(process.hrtime.bigint()), 5);

  /** In ms, of the pauses that reached into the time just before `end`. */
  longestPause(end: bigint): number {
    const start = end - BigInt(LONGEST_PAUSE) * 1_000_000n;
    let longest = 0n;
    for (let turn = 1; turn < this.#at.length; turn++) {
      const [from, to] = [this.#at[turn - 1]!, this.#at[turn]!];
      if (to > start && from < end && to - from > longest) longest = to - from;
    }
    return Number(longest) / 1e6;
  }

  forget(): void {
    this.#at = [];
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

async function partition(kind: Kind, options: BeliefTortureOptions, random: SeededRandom) {
  const proxy = await FaultProxy.start({ target: options.etcd.endpoint, seed: random.integer(1, 1e9) });
  // Each at a time of its own: etcd looks for expired leases twice a second, and would see them all in one step.
  await sleep(random.integer(0, options.ttl / 3));
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
