// From `config.set` of the clog key to the level in force on a logger that exists, over etcd.
// Usage: npm run build && node bench/log/live-level.mjs [--changes 200]
import { parseArgs } from 'node:util';
import { CoordService } from '../../dist/esm/index.js';
import { observeClog, startEtcd } from '../../dist/esm/testing/index.js';
import { quantile } from '../support/rounds.mjs';

const { values } = parseArgs({ options: { changes: { type: 'string', default: '200' } } });
const etcd = await startEtcd();
const coord = await CoordService.connect({ service: { name: 'bench' }, endpoints: etcd.endpoints });
const { clog } = observeClog({ level: 'info' });
const user = clog.namespace('user');
clog.follow(coord.config.watchNearest('clog'));

const times = [];
for (let change = -10; change < Number(values.changes); change++) {
  const level = change % 2 === 0 ? 'debug' : 'warn';
  const started = performance.now();
  const set = coord.config.set('clog', { level });
  while (user.level !== level) await new Promise(setImmediate);
  if (change >= 0) times.push(performance.now() - started);
  await set;
}
for (let n = 0; n < 1000; n++) clog.namespace(`area${n % 10}.part${n}`);
const applied = [];
for (let round = 0; round < 200; round++) {
  const started = performance.now();
  clog.setLevel(round % 2 === 0 ? 'trace' : 'error', '*');
  applied.push(performance.now() - started);
}
const show = (list) => [0.5, 0.99].map((share) => `${quantile(list, share).toFixed(2)} ms`).join(' / ');
console.log(`node ${process.version}, ${etcd.kind} etcd, ${times.length} changes; median / p99`);
console.log(`  from set() to the level in force: ${show(times)}`);
console.log(`  applied to 1,000 namespaces:      ${show(applied)}`);
await clog.close();
await coord.close();
await etcd.stop();
