// One of three instances dies (SIGKILL) or hangs (SIGSTOP) under load. Each case runs several times; figures are medians.
// Usage: npm run build && node bench/discovery/crash.mjs [--rounds 5] [--rate 300]
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { median } from '../support/rounds.mjs';
import { Fleet, Load } from './fleet.mjs';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, rate: { type: 'string', default: '300' } },
});
const retry = { methods: ['Echo/Say'] };
const cases = [
  { name: 'SIGKILL, method marked idempotent', signal: 'SIGKILL', options: { retry } },
  { name: 'SIGKILL, no retry', signal: 'SIGKILL', options: {} },
  { name: 'SIGSTOP, method marked idempotent', signal: 'SIGSTOP', options: { retry } },
];
const fleet = await Fleet.start({ size: 3 });
for (const { name, signal, options } of cases) {
  const failed = [];
  const lastPick = [];
  const reasons = new Set();
  let sent = 0;
  for (let round = 0; round < Number(values.rounds); round++) {
    const proxy = await fleet.client(options);
    const victim = fleet.servers[0];
    const load = new Load(proxy, Number(values.rate));
    await sleep(1_000);
    const at = performance.now();
    await victim.kill(signal);
    await sleep(3_000);
    if (signal === 'SIGSTOP') await victim.kill('SIGCONT');
    await load.stop();
    sent += load.sent;
    failed.push(load.failures.length);
    // When the last call began that went to the victim: it failed, or its answer came only after SIGCONT.
    for (const { code, details } of load.failures) reasons.add(`${code} ${details}`);
    const late = load.failures.map((failure) => failure.at);
    if (signal === 'SIGSTOP')
      late.push(
        ...load.slow.filter((call) => call.at >= at && call.server === victim.id).map((call) => call.at),
      );
    lastPick.push(Math.max(0, ...late.map((began) => began - at)));
    proxy.close();
    if (signal === 'SIGKILL') {
      await fleet.coord.registry.discover('echo');
      fleet.servers.shift();
      await fleet.add();
      // The dead one's lease ends by itself; the next round needs three that live.
    }
  }
  console.log(
    `${name}: ${sent} calls in ${values.rounds} rounds, failed ${failed.join(' ')} (median ${median(failed)}); ` +
      `last new pick of the victim after ${lastPick.map((ms) => ms.toFixed(0)).join(' ')} ms`,
  );
  for (const reason of reasons) console.log(`  ${reason}`);
}
await fleet.stop();
