// Locks against etcd3's Lock and etcd's Go client, interleaved in one run.
// Usage: npm run build && node bench/lock/locks.mjs [sequential] [parallel] [contended] [held] [hot] [--rounds 7] [--disk]
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Etcd3 } from 'etcd3';
import { CoordService } from '../../dist/esm/index.js';
import { EtcdProcess } from '../../dist/esm/testing/index.js';
import { buildGo } from '../support/go.mjs';
import { interleave, median, quantile } from '../support/rounds.mjs';
import { BareCalls } from './bare-calls.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '7' }, disk: { type: 'boolean', default: false } },
});
const rounds = Number(values.rounds);
const wanted = (part) => positionals.length === 0 || positionals.includes(part);

// In memory an fsync is free; on disk it is paid, as in production.
const data = mkdtempSync(values.disk ? '/var/tmp/im-infra-bench-' : '/dev/shm/im-infra-bench-');
const etcd = await EtcdProcess.start({ args: ['--data-dir', data, `--unsafe-no-fsync=${!values.disk}`] });
const { endpoint } = etcd;
console.log(`etcd's data ${values.disk ? 'on disk' : 'in memory'}`);
const coord = await CoordService.connect({ service: { name: 'bench' }, endpoints: [endpoint] });
const raw = new Etcd3({ hosts: endpoint });
const source = new URL('locks.go', import.meta.url).pathname;
const go = buildGo(source);
await go?.ask('connect', endpoint);
const bare = await BareCalls.connect(endpoint);

const ours = async (name) => (await coord.lock.acquire(name)).release();
const etcd3 = async (name) => (await raw.lock(name).ttl(30).acquire()).release();
const floor = (name) => bare.cycle(name);
/** Until V8 has compiled what runs often, a cycle takes two to four times as long. */
const WARM = 6_000;

/** The median cycle in microseconds, one after the other. */
const sequential = (cycle, prefix, cycles) => async () => {
  const times = [];
  for (let i = 0; i < cycles; i++) {
    const started = performance.now();
    await cycle(`${prefix}-${i % 100}`);
    times.push((performance.now() - started) * 1000);
  }
  return median(times);
};

/** Cycles a second of `tasks` tasks, each with a lock of its own. */
const parallel = (cycle, prefix, tasks, cycles) => async () => {
  const started = performance.now();
  await Promise.all(
    Array.from({ length: tasks }, async (_, task) => {
      for (let i = 0; i < cycles; i++) await cycle(`${prefix}-${task}`);
    }),
  );
  return (tasks * cycles * 1000) / (performance.now() - started);
};

if (wanted('sequential')) {
  await sequential(etcd3, 'etcd3', WARM)();
  await sequential(floor, 'bare', WARM)();
  await sequential(ours, 'ours', WARM)();
  const result = await interleave(
    { name: 'one lock after the other, p50', unit: 'µs', rounds },
    {
      "etcd3's Lock": sequential(etcd3, 'etcd3', 300),
      ...(go && { 'Go, shared session': async () => (await go.ask('sequential', 300)).p50 }),
      'bare grpc-js, the same two transactions': sequential(floor, 'bare', 300),
      ours: sequential(ours, 'ours', 300),
    },
  );
  const [theirs, least] = ['Go, shared session', 'bare grpc-js, the same two transactions'];
  const to = (a, b) => (result[a].ratio / result[b].ratio).toFixed(2);
  if (go) console.log(`  to Go: ours ${to('ours', theirs)}, bare grpc-js ${to(least, theirs)}`);
  console.log(`  ours to bare grpc-js: ${to('ours', least)}`);
}

if (wanted('parallel')) {
  const tasks = 64;
  await parallel(ours, 'ours', tasks, 200)();
  const result = await interleave(
    { name: '64 tasks on distinct keys', unit: 'cycles/s', rounds, warmup: 2 },
    {
      "etcd3's Lock": parallel(etcd3, 'etcd3', tasks, 8),
      ...(go && { 'Go, shared session': async () => (await go.ask('parallel', tasks, 60)).perSecond }),
      ours: parallel(ours, 'ours', tasks, 120),
    },
  );
  const theirs = result['Go, shared session'];
  if (theirs) console.log(`  ours to Go: ${(result.ours.ratio / theirs.ratio).toFixed(2)}`);
}

/** A process that takes commands a line and answers in JSON. */
function contender(command, args) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    ask: async (...words) => {
      child.stdin.write(`${words.join(' ')}\n`);
      return JSON.parse((await lines.next()).value);
    },
    close: () => child.stdin.end(),
  };
}

/** Four processes of four waiters on one lock: from the call of release to the next acquisition. */
async function contended(processes, name, ms) {
  const turns = (await Promise.all(processes.map((each) => each.ask('contend', name, 4, ms)))).flat();
  turns.sort(([a], [b]) => a - b);
  const handOvers = turns.slice(1).map(([acquired], index) => acquired - turns[index][1]);
  const fair = turns.every(([, , token], index) => index === 0 || token > turns[index - 1][2]);
  // The first and the last turns are start and end, not hand-over.
  const steady = handOvers.slice(16, -16);
  return {
    p50: quantile(steady, 0.5),
    p99: quantile(steady, 0.99),
    perSecond: (turns.length * 1000) / ms,
    fair,
  };
}

if (wanted('contended')) {
  const nodes = Array.from({ length: 4 }, () =>
    contender(process.execPath, [new URL('contender.mjs', import.meta.url).pathname]),
  );
  const gos = go ? Array.from({ length: 4 }, () => contender(go.program, [])) : [];
  await Promise.all([...nodes, ...gos].map((each) => each.ask('connect', endpoint)));
  await Promise.all(nodes.map((each, index) => each.ask('warm-up', index, 2_000)));
  await contended(nodes, 'warm-up', 5_000);
  if (go) await contended(gos, '/locks/go-warm-up', 1_000);
  const figures = [];
  for (let round = 0; round < rounds; round++) {
    figures.push({
      go: go && (await contended(gos, `/locks/go-contended-${round}`, 2_000)),
      ours: await contended(nodes, `ours-contended-${round}`, 2_000),
    });
  }
  console.log(`\n16 waiters on one lock in 4 processes (${rounds} rounds of 2 s, medians)`);
  const of = (who, what) => median(figures.map((figure) => figure[who][what]));
  for (const who of go ? ['go', 'ours'] : ['ours']) {
    console.log(
      `  ${who.padEnd(6)} hand-over p50 ${Math.round(of(who, 'p50'))} µs, p99 ${Math.round(of(who, 'p99'))} µs, ` +
        `${Math.round(of(who, 'perSecond'))} a second, FIFO in ${figures.filter((figure) => figure[who].fair).length} of ${rounds} rounds`,
    );
  }
  if (go) {
    const ratio = (what) => median(figures.map((figure) => figure.ours[what] / figure.go[what])).toFixed(2);
    console.log(`  ours to Go: p50 ${ratio('p50')}, p99 ${ratio('p99')}, a second ${ratio('perSecond')}`);
  }
  for (const each of [...nodes, ...gos]) each.close();
}

/** The heap that 10,000 locks may take, in MB; asked for only with --expose-gc. */
const MOST_HELD = 20;

if (wanted('held')) {
  const holder = await CoordService.connect({ service: { name: 'bench' }, endpoints: [endpoint] });
  await (await holder.lock.acquire('warm-up')).release();
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  const started = performance.now();
  const locks = await Promise.all(
    Array.from({ length: 10_000 }, (_, index) => holder.lock.acquire(`held-${index}`)),
  );
  const took = performance.now() - started;
  globalThis.gc?.();
  const heap = (process.memoryUsage().heapUsed - before) / 1e6;
  const { leases } = await raw.leaseClient.leaseLeases();
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  globalThis.gc?.();
  const watched = (process.memoryUsage().heapUsed - before) / 1e6;
  console.log(
    `\n10,000 locks held: taken in ${Math.round(took)} ms, ${heap.toFixed(1)} MB of heap, ` +
      `${watched.toFixed(1)} MB after 5 s, ${leases.length} leases in etcd in all, all held: ${locks.every((lock) => lock.isHeld())}`,
  );
  if (globalThis.gc && Math.max(heap, watched) > MOST_HELD) {
    console.log(`  that is more than the ${MOST_HELD} MB that 10,000 locks may take`);
    process.exitCode = 1;
  }
  await Promise.all(locks.map((lock) => lock.release()));
  await holder.close();
}

if (wanted('hot')) {
  const cycles = 100_000;
  const thousand = 1_000;
  const timed = async (name) => {
    const started = performance.now();
    await ours(name);
    return (performance.now() - started) * 1000;
  };
  /** A thousand of the hot name, each beside one of a name that nobody has used before. */
  const measure = async (fresh) => {
    const [hot, control] = [[], []];
    for (let i = 0; i < thousand; i++) {
      hot.push(await timed('hot'));
      control.push(await timed(fresh));
    }
    return { hot: median(hot), control: median(control) };
  };
  for (let i = 0; i < WARM; i++) await ours('warm-up');
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  const first = await measure('fresh-1');
  for (let i = 2 * thousand; i < cycles; i++) await ours('hot');
  const last = await measure('fresh-2');
  globalThis.gc?.();
  const growth = (process.memoryUsage().heapUsed - before) / 1e6;
  console.log(
    `\n100,000 acquisitions of one name: p50 of the first thousand ${Math.round(first.hot)} µs, of the last ` +
      `${Math.round(last.hot)} µs (${(last.hot / first.hot).toFixed(2)}); beside a fresh name ` +
      `${(first.hot / first.control).toFixed(2)} at first, ${(last.hot / last.control).toFixed(2)} at last; ` +
      `heap grew by ${growth.toFixed(1)} MB`,
  );
}

go?.close();
bare.close();
raw.close();
await coord.close();
await etcd.stop();
rmSync(data, { recursive: true, force: true });
