// From register() to the first call on the new instance, and from deregister() to the last new pick, seen by 50 client channels
// of one process that share one watch and, as grpc-js does by itself, connections; with --apart each channel has its own, so that
// a newcomer means 100 connections at once. The servers are another process.
// Usage: npm run build && node bench/discovery/latency.mjs [--channels 50] [--rounds 40] [--apart]
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Metadata, credentials } from '@grpc/grpc-js';
import { median, quantile } from '../support/rounds.mjs';
import { EchoClient } from './echo-server.mjs';
import { EtcdProcess } from './testing.mjs';
import { CoordService } from '../../dist/esm/index.js';

const { values } = parseArgs({
  options: {
    channels: { type: 'string', default: '50' },
    rounds: { type: 'string', default: '40' },
    apart: { type: 'boolean', default: false },
  },
});
/** How often each channel calls while the last pick is looked for, in ms; together they look every 0.5 ms. */
const PACE = 25;

const etcd = await EtcdProcess.start();
const connect = (name) => CoordService.connect({ service: { name }, endpoints: [etcd.endpoint] });
const [provider, consumer] = await Promise.all([connect('provider'), connect('consumer')]);
const servers = fork(fileURLToPath(new URL('echo-pair.mjs', import.meta.url)));
const [ports] = await once(servers, 'message');
const at = (port) => ({ name: 'echo', address: '127.0.0.1', port });
await provider.registry.register({ ...at(ports.base), id: 'base' });

const open = (options) => {
  const { target, channelOptions } = consumer.registry.getConnection('echo', options);
  const own = { ...channelOptions, 'grpc.use_local_subchannel_pool': Number(values.apart) };
  return Array.from(
    { length: Number(values.channels) },
    () => new EchoClient(target, credentials.createInsecure(), own),
  );
};
// Half of them take nobody but newcomers: a call that waits for one is the first that a newcomer can get.
const waiting = open({ filter: ({ id }) => id.startsWith('new'), timeout: false });
const turning = open({});
const say = (client, metadata = new Metadata()) =>
  new Promise((resolve, reject) =>
    client.Say({}, metadata, (error, { server } = {}) => (error ? reject(error) : resolve(server))),
  );
await Promise.all(turning.map((client) => say(client)));
const firstCall = (client) => say(client, new Metadata({ waitForReady: true }));

const joined = [];
const left = [];
for (let round = -2; round < Number(values.rounds); round++) {
  const newcomer = { ...at(ports.newcomer), id: `new-${round}` };
  const arrivals = waiting.map(firstCall);
  await sleep(50);
  const since = performance.now();
  const arrived = arrivals.map((call) => call.then(() => performance.now() - since));
  const registration = await provider.registry.register(newcomer);
  const times = await Promise.all(arrived);
  await everybodyTurns();

  const look = { on: true, picks: [] };
  const looks = turning.map(async (client, index) => {
    await sleep((index * PACE) / turning.length);
    while (look.on) {
      const began = performance.now();
      if ((await say(client)) === 'new') look.picks.push(began);
      await sleep(PACE);
    }
  });
  await sleep(2 * PACE);
  const leaving = performance.now();
  await registration.deregister();
  await sleep(150);
  look.on = false;
  await Promise.all(looks);
  const last = Math.max(0, ...look.picks.map((began) => began - leaving));
  if (round < 0) continue;
  joined.push(...times);
  left.push(last);
}
console.log(
  `register() → first call on the new instance: ${figures(joined)} (${values.channels} channels × ${values.rounds} rounds)`,
);
console.log(
  `deregister() → last new pick by any of ${values.channels} channels: ${figures(left)} (${values.rounds} rounds)`,
);
for (const channel of [...waiting, ...turning]) channel.close();
await Promise.all([provider.close(), consumer.close()]);
servers.disconnect();
await etcd.stop();

/** Until every channel that takes turns has the newcomer among them. */
async function everybodyTurns() {
  await Promise.all(
    turning.map(async (client) => {
      while ((await say(client)) !== 'new');
    }),
  );
}

function figures(all) {
  return `p50 ${median(all).toFixed(1)} ms, p99 ${quantile(all, 0.99).toFixed(1)} ms, max ${Math.max(...all).toFixed(1)} ms`;
}
