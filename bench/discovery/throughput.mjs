// Unary calls through coord:/// against a static list of the same servers (grpc-js' ipv4: scheme and round_robin), interleaved
// in one process; the servers are child processes. The second list is the control: static against static.
// Usage: npm run build && node bench/discovery/throughput.mjs [--rounds 30] [--calls 400]
import { parseArgs } from 'node:util';
import { credentials } from '@grpc/grpc-js';
import { interleave } from '../support/rounds.mjs';
import { EchoClient } from './echo-server.mjs';
import { Fleet } from './fleet.mjs';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '30' }, calls: { type: 'string', default: '400' } },
});
const fleet = await Fleet.start({ size: 3 });
const list = `ipv4:${fleet.servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
const roundRobin = { 'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }) };
const { target, channelOptions } = fleet.coord.registry.getConnection('echo');
const { interceptors: _interceptors, ...bare } = channelOptions;
const make = (address, options) => new EchoClient(address, credentials.createInsecure(), options);
const plain = make(list, roundRobin);
const again = make(list, { ...roundRobin, 'grpc.use_local_subchannel_pool': 1 });
const ours = make(target, bare);
const byDefault = make(target, channelOptions);
const none = () => ({});
const deadline = () => ({ deadline: Date.now() + 10_000 });
/** Like with like: a deadline costs grpc-js a timer for each call, whoever sets it. */
const groups = {
  'no deadline': {
    'static list, round_robin': [plain, none],
    'the same again': [again, none],
    'coord:///, round_robin, timeout: false': [ours, none],
  },
  'a deadline for each call': {
    'static list, round_robin, options.deadline': [plain, deadline],
    'the same again': [again, deadline],
    'coord:///, round_robin, by default': [byDefault, none],
  },
};
const say = (client, options) =>
  new Promise((resolve, reject) =>
    client.Say({ text: 'x' }, options, (error) => (error ? reject(error) : resolve())),
  );

for (const concurrency of [1, 32]) {
  const calls = concurrency === 1 ? Number(values.calls) : 3 * Number(values.calls);
  for (const [what, clients] of Object.entries(groups)) {
    await interleave(
      {
        name: `unary calls, ${concurrency} in flight, 3 servers, ${what}`,
        rounds: Number(values.rounds),
        warmup: 5,
        unit: 'calls/s',
      },
      Object.fromEntries(
        Object.entries(clients).map(([name, [client, options]]) => [
          name,
          () => rate(client, options, concurrency, calls),
        ]),
      ),
    );
  }
}
for (const client of [plain, again, ours, byDefault]) client.close();
await fleet.stop();

async function rate(client, options, concurrency, calls) {
  let left = calls;
  const since = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (left-- > 0) await say(client, options());
    }),
  );
  return calls / ((performance.now() - since) / 1000);
}
