// From register() to the first call on the new instance, and from deregister() to the last new pick, seen by 50 client channels
// of one process that share one watch and, as grpc-js does by itself, connections; with --apart each channel has its own, so that
// a newcomer means 100 connections at once. The servers are another process.
//
// The channels call in turn, 500 calls a second in all. Then the worst case: each channel has one call that waits for nobody but
// the newcomer, 50 calls that are let go in the same tick.
// Usage: npm run build && node bench/discovery/latency.mjs [--channels 50] [--rounds 200] [--apart]
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
    rounds: { type: 'string', default: '200' },
    apart: { type: 'boolean', default: false },
  },
});
/** How often each channel calls, in ms; together they look every other millisecond. */
const PACE = 100;
const WARMUP = 10;

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
const say = (client, metadata = new Metadata()) =>
  new Promise((resolve, reject) =>
    client.Say({}, metadata, (error, { server } = {}) => (error ? reject(error) : resolve(server))),
  );

const newcomer = (round) => ({ ...at(ports.newcomer), id: `new-${round}` });
const turning = open({});
await Promise.all(turning.map((client) => say(client)));
const first = [];
const left = [];
for (let round = -WARMUP; round < Number(values.rounds); round++) {
  const load = turnInTurn();
  await sleep(2 * PACE);
  const joining = performance.now();
  const registration = await provider.registry.register(newcomer(round));
  await sleep(200);
  const leaving = performance.now();
  await registration.deregister();
  await sleep(200);
  await load.stop();
  if (round < 0) continue;
  first.push(Math.min(...load.answers) - joining);
  left.push(Math.max(0, ...load.picks.map((began) => began - leaving)));
}
for (const client of turning) client.close();

const waiting = open({ filter: ({ id }) => id.startsWith('new'), timeout: false });
const released = [];
for (let round = -WARMUP; round < Number(values.rounds); round++) {
  const calls = waiting.map((client) => say(client, new Metadata({ waitForReady: true })));
  await sleep(PACE);
  const since = performance.now();
  const arrived = calls.map((call) => call.then(() => performance.now() - since));
  const registration = await provider.registry.register(newcomer(round));
  const times = await Promise.all(arrived);
  await registration.deregister();
  await sleep(2 * PACE); // until nobody has it any more
  if (round >= 0) released.push(...times);
}
console.log(
  `register() → first call on the new instance by any of ${values.channels} channels: ${figures(first)} (${values.rounds} rounds)`,
);
console.log(
  `register() → answer to each of ${values.channels} calls that wait for it: ${figures(released)} (${values.rounds} rounds)`,
);
console.log(
  `deregister() → last new pick by any of ${values.channels} channels: ${figures(left)} (${values.rounds} rounds)`,
);
for (const client of waiting) client.close();
await Promise.all([provider.close(), consumer.close()]);
servers.disconnect();
await etcd.stop();

/** Every channel calls at its pace; what the newcomer took is noted: when the call began, and when its answer was there. */
function turnInTurn() {
  const load = { on: true, picks: [], answers: [] };
  const loops = turning.map(async (client, index) => {
    await sleep((index * PACE) / turning.length);
    while (load.on) {
      const began = performance.now();
      if ((await say(client)) === 'new') {
        load.picks.push(began);
        load.answers.push(performance.now());
      }
      await sleep(PACE);
    }
  });
  load.stop = async () => {
    load.on = false;
    await Promise.all(loops);
  };
  return load;
}

function figures(all) {
  return `p50 ${median(all).toFixed(1)} ms, p99 ${quantile(all, 0.99).toFixed(1)} ms, max ${Math.max(...all).toFixed(1)} ms`;
}
