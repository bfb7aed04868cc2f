// etcd is killed for longer than the leases live and comes back, with its data or wiped, while calls go on.
// Usage: npm run build && node bench/discovery/outage.mjs [--down 30] [--after 60] [--ttl 10] [--rate 200]
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Fleet, Load } from './fleet.mjs';

const { values } = parseArgs({
  options: {
    down: { type: 'string', default: '30' },
    after: { type: 'string', default: '60' },
    ttl: { type: 'string', default: '10' },
    rate: { type: 'string', default: '200' },
  },
});
for (const wiped of [false, true]) {
  const fleet = await Fleet.start({ size: 3, ttl: `${values.ttl}s` });
  const load = new Load(await fleet.client(), Number(values.rate));
  await sleep(2_000);
  await fleet.etcd.kill();
  await sleep(Number(values.down) * 1_000);
  if (wiped) await fleet.etcd.wipe();
  else await fleet.etcd.start();
  const reachable = performance.now();
  while ((await fleet.keys()) !== 3) await sleep(10);
  const back = performance.now() - reachable;
  await sleep(Number(values.after) * 1_000);
  await load.stop();
  console.log(
    `etcd down ${values.down} s, TTL ${values.ttl} s, ${wiped ? 'wiped' : 'with its data'}: ${load.sent} calls, failed ${load.failures.length}; ` +
      `all keys back ${back.toFixed(0)} ms after etcd answered`,
  );
  for (const failure of load.failures.slice(0, 3)) console.log(failure);
  await fleet.stop();
}
