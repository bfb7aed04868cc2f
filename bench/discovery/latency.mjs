// From register() to the first call on the new instance, and from deregister() to the last new pick, seen by 50 client channels
// of one process that share one watch.
// Usage: npm run build && node bench/discovery/latency.mjs [--channels 50] [--rounds 40]
import { parseArgs } from 'node:util';
import { credentials } from '@grpc/grpc-js';
import { median, quantile } from '../support/rounds.mjs';
import { EchoClient, EchoServer } from './echo-server.mjs';
import { EtcdProcess } from './testing.mjs';
import { CoordService } from '../../dist/esm/index.js';

const { values } = parseArgs({
  options: { channels: { type: 'string', default: '50' }, rounds: { type: 'string', default: '40' } },
});
const etcd = await EtcdProcess.start();
const connect = (name) => CoordService.connect({ service: { name }, endpoints: [etcd.endpoint] });
const [provider, consumer] = await Promise.all([connect('provider'), connect('consumer')]);
const base = await EchoServer.start('base');
await provider.registry.register({ name: 'echo', id: 'base', address: '127.0.0.1', port: base.port });
const { target, channelOptions } = consumer.registry.getConnection('echo');
// Each channel its own connections, so that each has to connect to a newcomer: what 50 processes would do.
const channels = Array.from(
  { length: Number(values.channels) },
  () =>
    new EchoClient(target, credentials.createInsecure(), {
      ...channelOptions,
      'grpc.use_local_subchannel_pool': 1,
    }),
);
const say = (client) =>
  new Promise((resolve, reject) =>
    client.Say({}, (error, { server } = {}) => (error ? reject(error) : resolve(server))),
  );
await Promise.all(channels.map(say));

const joined = [];
const left = [];
const newcomer = await EchoServer.start('new');
for (let round = 0; round < Number(values.rounds); round++) {
  const since = performance.now();
  const registered = provider.registry.register({
    name: 'echo',
    id: `new-${round}`,
    address: '127.0.0.1',
    port: newcomer.port,
  });
  joined.push(...(await Promise.all(channels.map((channel) => until(channel, 'new', since)))));
  const registration = await registered;
  const leaving = performance.now();
  const gone = registration.deregister();
  left.push(...(await Promise.all(channels.map((channel) => lastPick(channel, leaving)))));
  await gone;
}
report('register() → first call on the new instance', joined);
report('deregister() → last new pick of it', left);
for (const channel of channels) channel.close();
await Promise.all([provider.close(), consumer.close()]);
base.kill();
newcomer.kill();
await etcd.stop();

async function until(channel, server, since) {
  while ((await say(channel)) !== server);
  return performance.now() - since;
}

/** Two answers of the other in a row with round robin over two: the one that left is not chosen any more. */
async function lastPick(channel, since) {
  let last = 0;
  for (let others = 0; others < 4;) {
    const at = performance.now() - since;
    if ((await say(channel)) === 'new') {
      last = at;
      others = 0;
    } else others++;
  }
  return last;
}

function report(name, figures) {
  console.log(
    `${name}: p50 ${median(figures).toFixed(1)} ms, p99 ${quantile(figures, 0.99).toFixed(1)} ms, max ${Math.max(...figures).toFixed(1)} ms ` +
      `(${values.channels} channels × ${values.rounds} rounds)`,
  );
}
