/**
 * The other side of scale.mjs, in a process of its own, so that what the client costs can be measured alone: registers SIZE
 * instances of `echo` at the etcd ETCD, answers at all their loopback addresses, and does as its parent says.
 */
import { CoordService } from '../../dist/esm/index.js';
import { EchoServer } from './echo-server.mjs';

const { ETCD, SIZE } = process.env;
const size = Number(SIZE);
const connect = (name) => CoordService.connect({ service: { name }, endpoints: [ETCD] });
const [provider, writer] = await Promise.all([connect('provider'), connect('writer')]);
const server = await EchoServer.start('one', '0.0.0.0');
const addressOf = (index) => `127.${1 + (index >> 16)}.${(index >> 8) & 255}.${1 + ((index & 255) % 254)}`;
const instance = (index) => ({
  name: 'echo',
  id: `i${index}`,
  address: addressOf(index),
  port: server.port,
});

const register = (from, to) =>
  Promise.all(
    Array.from({ length: to - from }, (_, index) => provider.registry.register(instance(from + index))),
  );
const orders = {
  change: (turn) => writer.registry.register({ ...instance(size + 1), metadata: { turn: `${turn}` } }),
  other: (turn) =>
    writer.registry.register({
      name: 'other',
      id: 'x',
      address: 'h',
      port: 1,
      metadata: { turn: `${turn}` },
    }),
  peers: () => server.peers.size,
};
const since = performance.now();
await register(0, size);
async function obey({ order, turn }) {
  const answer = await orders[order](turn);
  process.send({ answer: typeof answer === 'number' ? answer : true });
}
process.on('message', (message) => void obey(message));
process.on('disconnect', () => process.exit(0)); // never outlive the bench
process.send({ answer: performance.now() - since });
