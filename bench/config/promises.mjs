// What the configuration centre promises in time and memory: how soon it follows etcd's return, how soon a good value is
// shown among bad ones, and what subscriptions leave behind.
// Usage: npm run build && node --expose-gc bench/config/promises.mjs [--rounds 20] [--part return,fuzz,heap]
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as passed } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { CoordService } from '../../dist/esm/index.js';
import { FaultProxy, SeededRandom, startEtcd } from '../../dist/esm/testing/index.js';
import { median, quantile } from '../support/rounds.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    part: { type: 'string', default: 'return,fuzz,heap' },
  },
});
const rounds = Number(values.rounds);
const parts = values.part.split(',');
const failures = [];
const goal = (name, met) => {
  console.log(`  ${met ? 'met ' : 'MISSED'} ${name}`);
  if (!met) failures.push(name);
};

const etcd = await startEtcd();
const service = { name: 'bench', env: 'bench' };
const writer = await CoordService.connect({ service, endpoints: etcd.endpoints });

/** Waits by looking, at each turn of the event loop. */
const until = async (test) => {
  while (!test()) await new Promise(setImmediate);
};

if (parts.includes('return')) {
  const proxy = await FaultProxy.start({ target: etcd.endpoints[0] });
  const dir = await mkdtemp(join(tmpdir(), 'im-infra-bench-'));
  const options = {
    service,
    endpoints: [proxy.endpoint],
    dialTimeout: 200,
    snapshot: { dir },
    optional: true,
  };
  await writer.config.set('n', 0);
  const took = { 'a start from the snapshot': [], 'an outage of a running process': [] };
  let n = 0;
  let coord = await CoordService.connect(options);
  await coord.config.live('n');
  await coord.close();
  console.log(`\netcd's return until the newest value is shown (${rounds} rounds each)`);
  for (let round = 0; round < rounds; round++) {
    for (const name of Object.keys(took)) {
      const fromSnapshot = name === 'a start from the snapshot';
      if (fromSnapshot) proxy.refuse();
      coord = await CoordService.connect(options);
      const live = await coord.config.live('n');
      if (!fromSnapshot) proxy.refuse();
      // Long enough for the pauses between two attempts to have grown to their most.
      await passed(3_000);
      await writer.config.set('n', ++n);
      const started = performance.now();
      proxy.resume();
      await until(() => live.value === n && coord.config.status.state === 'live');
      took[name].push(performance.now() - started);
      await coord.close();
    }
  }
  for (const [name, all] of Object.entries(took)) {
    const most = Math.max(...all);
    console.log(`  ${name}: median ${Math.round(median(all))} ms, most ${Math.round(most)} ms`);
    goal(`converges within 1 s of etcd's return: ${name}`, most <= 1_000);
  }
  await proxy.close();
  await rm(dir, { recursive: true });
}

if (parts.includes('fuzz')) {
  const WRITES = 10_000;
  const random = new SeededRandom(11);
  const reader = await CoordService.connect({ service, endpoints: etcd.endpoints });
  const schema = z.strictObject({ n: z.number().int().nonnegative(), tag: z.string() });
  await writer.config.set('fuzz', { n: 0, tag: '' });
  const live = await reader.config.live('fuzz', { schema });
  const bad = [{ n: -1, tag: '' }, { n: 'x', tag: '' }, { n: 1 }, null, []];
  const delays = [];
  let wrong = 0;
  for (let n = 1; n <= WRITES; n++) {
    if (random.integer(1, 100) <= 30) await writer.config.set('fuzz', random.pick(bad));
    else {
      const version = await writer.config.set('fuzz', { n, tag: `t${n}` });
      const written = performance.now();
      await until(() => live.version >= version);
      delays.push(performance.now() - written);
    }
    if (!schema.safeParse(live.value).success) wrong++;
  }
  console.log(`\n${WRITES} writes, 30 % of them bad: ${wrong} times a bad value was shown`);
  console.log(
    `  after a good write: p50 ${median(delays).toFixed(2)} ms, p99 ${quantile(delays, 0.99).toFixed(2)} ms`,
  );
  goal('never a bad value', wrong === 0);
  goal('converges within 100 ms at p99', quantile(delays, 0.99) <= 100);
  await reader.close();
}

if (parts.includes('heap')) {
  if (!globalThis.gc) throw new Error('the part heap needs node --expose-gc');
  const { config } = writer;
  await config.set('db', { pool: 5 });
  const schema = z.object({ pool: z.number() });
  const heap = async () => {
    for (let n = 0; n < 3; n++) {
      globalThis.gc();
      await new Promise(setImmediate);
    }
    return process.memoryUsage().heapUsed;
  };
  const cycle = async (times) => {
    for (let n = 0; n < times; n++) {
      const subscriptions = [
        config.watch('db', { schema }).subscribe(),
        config.watch(`none/${n % 100}`).subscribe(),
        config.watchPrefix('app').subscribe(),
        config.events('').subscribe(),
      ];
      const live = await config.live('db', { schema });
      for (const each of subscriptions) each.unsubscribe();
      live.close();
    }
  };
  await cycle(1_000);
  const before = await heap();
  await cycle(10_000);
  const after = await heap();
  const change = (after / before - 1) * 100;
  console.log(
    `\nheap after 10,000 times five subscriptions: ${change.toFixed(2)} % of ${(before / 2 ** 20).toFixed(1)} MiB`,
  );
  goal('heap flat within 5 %', Math.abs(change) <= 5);
}

await writer.close();
await etcd.stop();
if (failures.length > 0) {
  console.error(`\n${failures.length} goals missed`);
  process.exitCode = 1;
}
