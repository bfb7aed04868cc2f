// Rolling replacements under load without any retry policy: a new instance starts and registers, then an old one gets SIGTERM.
// Usage: npm run build && node bench/discovery/rolling.mjs [--replacements 100] [--rate 300] [--size 3]
import { parseArgs } from 'node:util';
import { quantile } from '../support/rounds.mjs';
import { Fleet, Load } from './fleet.mjs';

const { values } = parseArgs({
  options: {
    replacements: { type: 'string', default: '100' },
    rate: { type: 'string', default: '300' },
    size: { type: 'string', default: '3' },
  },
});
const size = Number(values.size);
const fleet = await Fleet.start({ size });
const load = new Load(await fleet.client(), Number(values.rate));
const since = performance.now();
for (let turn = 0; turn < Number(values.replacements); turn++) {
  await fleet.add();
  await fleet.listed(size + 1);
  await fleet.servers.shift().stop();
  if ((turn + 1) % 10 === 0) {
    console.error(`${turn + 1} replacements, ${load.sent} calls, ${load.failures.length} failed so far`);
  }
}
await load.stop();
const seconds = (performance.now() - since) / 1000;
console.log(
  `${values.replacements} replacements in ${seconds.toFixed(0)} s, ${load.sent} calls (${(load.sent / seconds).toFixed(0)}/s) over ${size} instances, ` +
    `${load.answered.size} servers answered; failed: ${load.failures.length}; p50 ${quantile(load.latencies, 0.5).toFixed(1)} ms, p99 ${quantile(load.latencies, 0.99).toFixed(1)} ms`,
);
for (const failure of load.failures.slice(0, 5)) console.log(failure);
await fleet.stop();
process.exitCode = load.failures.length === 0 ? 0 : 1;
