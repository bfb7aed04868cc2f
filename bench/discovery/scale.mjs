// Ten thousand instances of one service, one client that talks to a subset of 20: what it costs to begin, and what one change
// costs. The instances are registered, changed and served by another process; this one is the client and nothing else.
// Usage: npm run build && node --expose-gc bench/discovery/scale.mjs [--instances 10000] [--subset 20] [--changes 200]
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { credentials } from '@grpc/grpc-js';
import { median, quantile } from '../support/rounds.mjs';
import { EchoClient } from './echo-server.mjs';
import { EtcdProcess } from './testing.mjs';
import { CoordService } from '../../dist/esm/index.js';

const { values } = parseArgs({
  options: {
    instances: { type: 'string', default: '10000' },
    subset: { type: 'string', default: '20' },
    changes: { type: 'string', default: '200' },
  },
});
const PROVIDER = fileURLToPath(new URL('scale-provider.mjs', import.meta.url));
const etcd = await EtcdProcess.start();
const provider = fork(PROVIDER, {
  env: { ...process.env, ETCD: etcd.endpoint, SIZE: values.instances },
  execArgv: [],
});
const answer = async () => (await once(provider, 'message'))[0].answer;
const ask = (order, turn) => {
  const answered = answer();
  provider.send({ order, turn });
  return answered;
};
console.log(`${values.instances} registrations: ${(await answer()).toFixed(0)} ms`);

const client = await CoordService.connect({ service: { name: 'client' }, endpoints: [etcd.endpoint] });
const { target, channelOptions } = client.registry.getConnection('echo', {
  subsetSize: Number(values.subset),
});
const echo = new EchoClient(target, credentials.createInsecure(), channelOptions);
const say = () =>
  new Promise((resolve, reject) => echo.Say({}, (error) => (error ? reject(error) : resolve())));

/** The longest time in ms that the event loop was held up while `work` ran: by this process, or by the machine. */
async function longestStall(work) {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  await work();
  await sleep(20);
  delays.disable();
  return Math.max(0, delays.max / 1e6 - 1);
}

// The floor: what the machine alone holds up, and what the first call of a channel costs that has one instance.
await client.registry.register({ name: 'lone', id: 'x', address: '127.0.0.1', port: 9 });
const lone = client.registry.getConnection('lone');
const loneClient = new EchoClient(lone.target, credentials.createInsecure(), lone.channelOptions);
const idleStall = await longestStall(() => sleep(2_000));
const loneStall = await longestStall(() => new Promise((done) => loneClient.Say({}, () => done())));
console.log(
  `longest stall of the event loop: idle ${idleStall.toFixed(1)} ms, first call of a channel to 1 instance ${loneStall.toFixed(1)} ms`,
);
loneClient.close();

globalThis.gc?.();
const heap = process.memoryUsage().heapUsed;
let first = 0;
const firstStall = await longestStall(async () => {
  const since = performance.now();
  await say();
  first = performance.now() - since;
  await sleep(2_000);
});
for (let call = 0; call < 200; call++) await say();
globalThis.gc?.();
console.log(
  `first call: ${first.toFixed(0)} ms, longest stall ${firstStall.toFixed(1)} ms; ` +
    `connections: ${await ask('peers')}; heap ${((process.memoryUsage().heapUsed - heap) / 2 ** 20).toFixed(1)} MB`,
);

// What a change costs: CPU of this process around the write, less the same around a write that it does not watch.
const cost = async (order, turn) => {
  const before = process.cpuUsage();
  await ask(order, turn);
  await sleep(15);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
};
const figures = { other: [], change: [] };
for (let turn = 0; turn < 10; turn++) await cost(turn % 2 ? 'other' : 'change', `warm-up ${turn}`);
const stall = await longestStall(async () => {
  for (let turn = 0; turn < Number(values.changes); turn++) {
    figures.other.push(await cost('other', turn));
    figures.change.push(await cost('change', turn));
  }
});
const net = figures.change.map((ms, turn) => ms - figures.other[turn]);
console.log(
  `one change: ${median(net).toFixed(2)} ms of CPU (p90 ${quantile(net, 0.9).toFixed(2)} ms), less a change of another service ` +
    `(${median(figures.other).toFixed(2)} ms); longest stall during ${values.changes} changes: ${stall.toFixed(1)} ms`,
);
echo.close();
await client.close();
provider.disconnect();
await etcd.stop();
