// Ten thousand instances of one service, one client that talks to a subset of 20: what it costs to begin, and what one change
// costs. One server in this process answers at all their loopback addresses.
// Usage: npm run build && node --expose-gc bench/discovery/scale.mjs [--instances 10000] [--subset 20] [--changes 200]
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { credentials } from '@grpc/grpc-js';
import { median, quantile } from '../support/rounds.mjs';
import { EchoClient, EchoServer } from './echo-server.mjs';
import { EtcdProcess } from './testing.mjs';
import { CoordService } from '../../dist/esm/index.js';

const { values } = parseArgs({
  options: {
    instances: { type: 'string', default: '10000' },
    subset: { type: 'string', default: '20' },
    changes: { type: 'string', default: '200' },
  },
});
const size = Number(values.instances);
const etcd = await EtcdProcess.start();
const connect = (name) => CoordService.connect({ service: { name }, endpoints: [etcd.endpoint] });
const [provider, consumer] = await Promise.all([connect('provider'), connect('consumer')]);
const server = await EchoServer.start('one', '0.0.0.0');
const addressOf = (index) => `127.${1 + (index >> 16)}.${(index >> 8) & 255}.${1 + ((index & 255) % 254)}`;
const instance = (index, metadata) => ({
  name: 'echo',
  id: `i${index}`,
  address: addressOf(index),
  port: server.port,
  ...(metadata && { metadata }),
});

let since = performance.now();
await Promise.all(Array.from({ length: size }, (_, index) => provider.registry.register(instance(index))));
console.log(`${size} registrations: ${(performance.now() - since).toFixed(0)} ms`);

globalThis.gc?.();
const heap = process.memoryUsage().heapUsed;
const { target, channelOptions } = consumer.registry.getConnection('echo', {
  subsetSize: Number(values.subset),
});
const client = new EchoClient(target, credentials.createInsecure(), channelOptions);
const say = () =>
  new Promise((resolve, reject) => client.Say({}, (error) => (error ? reject(error) : resolve())));
since = performance.now();
await say();
console.log(`first call: ${(performance.now() - since).toFixed(0)} ms`);
globalThis.gc?.();
console.log(
  `heap for ${size} instances: ${((process.memoryUsage().heapUsed - heap) / 2 ** 20).toFixed(1)} MB`,
);
await sleep(2_000);
for (let call = 0; call < 200; call++) await say();
console.log(`connections: ${server.peers.size}`);

// What a change costs: CPU of this process from before the write to after the calls that follow, less the same without one.
const stalls = monitorEventLoopDelay({ resolution: 1 });
const cost = async (change) => {
  const before = process.cpuUsage();
  await change();
  await sleep(15);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
};
const writer = await connect('writer');
const figures = { idle: [], change: [] };
stalls.enable();
for (let turn = 0; turn < Number(values.changes); turn++) {
  figures.idle.push(
    await cost(() =>
      writer.registry.register({
        name: 'other',
        id: 'x',
        address: 'h',
        port: 1,
        metadata: { turn: `${turn}` },
      }),
    ),
  );
  figures.change.push(await cost(() => writer.registry.register(instance(size + 1, { turn: `${turn}` }))));
}
stalls.disable();
const net = figures.change.map((ms, turn) => ms - figures.idle[turn]);
console.log(
  `one change: ${median(net).toFixed(2)} ms of CPU more than a change of another service (p90 ${quantile(net, 0.9).toFixed(2)} ms); ` +
    `longest stall of the event loop during ${values.changes} changes: ${(stalls.max / 1e6).toFixed(1)} ms`,
);
client.close();
await Promise.all([writer.close(), consumer.close(), provider.close()]);
server.kill();
await etcd.stop();
