// The configuration centre against bare grpc-js on the same etcd, interleaved in one process.
// Usage: npm run build && node bench/config/config.mjs [--rounds 7] [--part reads,notify,load]
import { parseArgs } from 'node:util';
import { CoordService } from '../../dist/esm/index.js';
import { startEtcd } from '../../dist/esm/testing/index.js';
import { interleave, median, quantile } from '../support/rounds.mjs';
import { RawEtcd } from './raw-etcd.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    part: { type: 'string', default: 'reads,notify,load' },
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
const endpoint = etcd.endpoints[0];
const raw = new RawEtcd(endpoint);
const connect = () =>
  CoordService.connect({ service: { name: 'bench', env: 'bench' }, endpoints: etcd.endpoints });
const coord = await connect();
const { config } = coord;

if (parts.includes('reads')) {
  await config.set('db', { url: 'postgres://db', pool: { min: 1, max: 10 } });
  const live = await config.live('db');
  const COUNT = 20_000_000;
  const RPCS = 300;
  let sink = 0;
  const result = await interleave(
    { name: 'reads a second', rounds, unit: 'reads/s' },
    {
      'get() over RPC': async () => {
        const started = performance.now();
        for (let n = 0; n < RPCS; n++) await config.get('db', { linearizable: true });
        return (RPCS * 1_000) / (performance.now() - started);
      },
      'get() from memory': async () => {
        const started = performance.now();
        for (let n = 0; n < 20_000; n++) await config.get('db');
        return 20_000_000 / (performance.now() - started);
      },
      'live.value': async () => {
        const started = performance.now();
        for (let n = 0; n < COUNT; n++) sink += live.value.pool.max;
        return (COUNT * 1_000) / (performance.now() - started);
      },
    },
  );
  if (sink === 0) throw new Error('nothing was read');
  goal('live.value: at least 10^7 reads a second', result['live.value'].median >= 1e7);
  goal('live.value: at least 1,000 times a read over RPC', result['live.value'].ratio >= 1_000);
}

if (parts.includes('notify')) {
  for (const keys of [1, 1_000]) await notify(keys);
}

/** The time from a put to its observer, alternating between both, on one connection for the puts. */
async function notify(keys) {
  const PUTS = 300;
  let arrived;
  const bare = await raw.watch('/bare/', () => arrived?.());
  const subscriptions = [];
  await config.transaction((tx) => tx.set('notify/0', 0));
  await config.get('notify/0');
  for (let n = 0; n < keys; n++) {
    subscriptions.push(config.watch(`notify/${n}`).subscribe((value) => value !== undefined && arrived?.()));
  }
  let turn = 0;
  const prefixes = { bare: '/bare/', ours: '/config/bench/bench/notify/' };
  const once = async (which) => {
    const value = Buffer.from(JSON.stringify({ turn: ++turn }));
    const seen = new Promise((resolve) => (arrived = resolve));
    const started = performance.now();
    const put = raw.put({ key: Buffer.from(`${prefixes[which]}${turn % keys}`), value });
    await seen;
    const took = performance.now() - started;
    arrived = undefined;
    await put;
    return took;
  };
  for (let n = 0; n < 500; n++) await once(n % 2 === 0 ? 'bare' : 'ours');
  const ratios = { p50: [], p99: [] };
  const figures = { bare: [], ours: [] };
  for (let round = 0; round < rounds; round++) {
    const took = { bare: [], ours: [] };
    for (let n = 0; n < PUTS; n++) {
      for (const which of n % 2 === 0 ? ['bare', 'ours'] : ['ours', 'bare'])
        took[which].push(await once(which));
    }
    for (const which of ['bare', 'ours']) figures[which].push(median(took[which]));
    ratios.p50.push(median(took.ours) / median(took.bare));
    ratios.p99.push(quantile(took.ours, 0.99) / quantile(took.bare, 0.99));
  }
  for (const each of subscriptions) each.unsubscribe();
  bare.cancel();
  const micro = (list) => Math.round(median(list) * 1_000);
  console.log(`\nput to observer, ${keys} watched keys (${rounds} rounds of ${PUTS} puts each, alternating)`);
  console.log(`  bare watch p50 ${micro(figures.bare)} us, config.watch p50 ${micro(figures.ours)} us`);
  console.log(`  ratio p50 ${median(ratios.p50).toFixed(3)}, p99 ${median(ratios.p99).toFixed(2)}`);
  goal(`put to observer at ${keys} keys: p50 at most 1.15 of a bare watch`, median(ratios.p50) <= 1.15);
}

if (parts.includes('load')) {
  const KEYS = 10_000;
  const filler = 'x'.repeat(1_000);
  for (let n = 0; n < KEYS; n += 100) {
    await config.transaction((tx) => {
      for (let at = n; at < n + 100; at++) tx.set(`/config/load/bench/k${at}`, { n: at, filler });
    });
  }
  const fresh = async (use) => {
    const other = await CoordService.connect({
      service: { name: 'bench', env: 'load' },
      endpoints: etcd.endpoints,
    });
    const started = performance.now();
    await use(other.config);
    const took = performance.now() - started;
    await other.close();
    return took;
  };
  const result = await interleave(
    { name: `${KEYS} keys of 1 KiB, ms`, rounds, unit: 'ms' },
    {
      'raw range in pages of 2,000': async () => {
        const started = performance.now();
        const kvs = await raw.list('/config/load/', 2_000);
        if (kvs.length !== KEYS) throw new Error(`${kvs.length} keys`);
        return performance.now() - started;
      },
      'raw range in one': async () => {
        const started = performance.now();
        await raw.list('/config/load/', 0);
        return performance.now() - started;
      },
      'loaded (first get())': () => fresh((center) => center.get('k1')),
      'and decoded (first watchPrefix())': () =>
        fresh(
          (center) =>
            new Promise((resolve) =>
              center.watchPrefix('').subscribe(({ size }) => size === KEYS && resolve()),
            ),
        ),
    },
  );
  goal(
    '10,000 keys: loaded in at most 1.5 of one raw paged range',
    result['loaded (first get())'].ratio <= 1.5,
  );
}

await coord.close();
raw.close();
await etcd.stop();
if (failures.length > 0) {
  console.error(`\n${failures.length} goals missed`);
  process.exitCode = 1;
}
