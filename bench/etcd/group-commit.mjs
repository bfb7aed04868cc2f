// Group commit against single transactions, and 10,000 registrations against etcd's Go client.
// Usage: npm run build && node bench/etcd/group-commit.mjs [--rounds 7] [--registrations 10000]
import { parseArgs } from 'node:util';
import { Etcd3 } from 'etcd3';
import { CoordService } from '../../dist/esm/index.js';
import { resolveCoordOptions } from '../../dist/esm/coord/coord.options.js';
import { Calls } from '../../dist/esm/coord/etcd/calls.js';
import { systemClock } from '../../dist/esm/coord/etcd/clock.js';
import { Connection } from '../../dist/esm/coord/etcd/connection.js';
import { EtcdClient } from '../../dist/esm/coord/etcd/etcd.client.js';
import { GroupCommit } from '../../dist/esm/coord/etcd/group-commit.js';
import { startEtcd } from '../../dist/esm/testing/index.js';
import { buildGo } from '../support/go.mjs';
import { interleave } from '../support/rounds.mjs';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, registrations: { type: 'string', default: '10000' } },
});
const rounds = Number(values.rounds);
const registrations = Number(values.registrations);

const etcd = await startEtcd();
const { etcd: options } = resolveCoordOptions({ endpoints: etcd.endpoints });
const client = EtcdClient.create(options);
await client.ready();
// Our wire with and without the grouping, on one connection: two can differ by a tenth.
const connection = new Connection(options);
const calls = new Calls(connection, systemClock, Math.random, options.requestTimeout);
const group = new GroupCommit(
  (batch) => calls.write((rpc, wire) => rpc.txn(batch.send(), wire), batch),
  systemClock,
  options.requestTimeout,
);
const raw = new Etcd3({ hosts: etcd.endpoints });
const go = buildGo(new URL('group-commit.go', import.meta.url).pathname);
await go?.ask('connect', etcd.endpoints[0]);

const putRaw = (key) =>
  raw.kv.txn({ success: [{ request_put: { key: Buffer.from(key), value: Buffer.from('{}') } }] });
const putOf = (key) => ({ success: [{ put: { key, value: '{}' } }] });
const putAlone = (key) => calls.write((rpc, wire) => rpc.txn([putOf(key)], wire));
const putGrouped = (key) => group.commit(putOf(key));

/** Writes a second by `writers` tasks, each on a key of its own, one write after the other. */
const throughput = (writers, put, writes) => async () => {
  const started = performance.now();
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      for (let write = 0; write < writes; write++) await put(`bench/${writer}`);
    }),
  );
  return (writers * writes * 1_000) / (performance.now() - started);
};

const coordOf = () =>
  CoordService.connect({
    service: { name: 'bench' },
    endpoints: etcd.endpoints,
    sessionTtl: '15s',
    requestTimeout: '30s',
  });

/** Milliseconds from the first `register()` until all have resolved. */
async function registerOurs() {
  const coord = await coordOf();
  await coord.registry.register({ name: 'warm', address: '127.0.0.1', port: 1 });
  const started = performance.now();
  await Promise.all(
    Array.from({ length: registrations }, (_, index) =>
      coord.registry.register({ id: `i${index}`, name: 'ours', address: '127.0.0.1', port: 1 }),
    ),
  );
  const took = performance.now() - started;
  await coord.close();
  return took;
}

/** The keys alone, without what a registration does besides. */
async function putUnderSession() {
  const session = await client.sessions(15_000).acquire();
  const started = performance.now();
  await Promise.all(
    Array.from({ length: registrations }, (_, index) =>
      client.commit(
        { success: [{ put: { key: `/services/raw/${index}`, value: '{}', lease: session.leaseId } }] },
        { session, idempotent: true, timeout: 30_000 },
      ),
    ),
  );
  const took = performance.now() - started;
  await client.commit({ success: [{ delete: { key: '/services/raw/', end: '/services/raw0' } }] });
  return took;
}

// Short blocks, many of them, and the base twice: its second ratio is the noise.
await interleave(
  { name: 'one writer', unit: 'writes/s', rounds: rounds * 30, warmup: 250 },
  {
    'single transactions': throughput(1, putAlone, 40),
    'the same again': throughput(1, putAlone, 40),
    'group commit': throughput(1, putGrouped, 40),
    "single transactions (etcd3's KV)": throughput(1, putRaw, 40),
  },
);
await interleave(
  { name: '64 writers on distinct keys', unit: 'writes/s', rounds },
  {
    'single transactions': throughput(64, putAlone, 30),
    "single transactions (etcd3's KV)": throughput(64, putRaw, 30),
    'group commit': throughput(64, putGrouped, 30),
  },
);
await interleave(
  { name: `${registrations} registrations`, unit: 'ms', rounds: Math.min(rounds, 3), warmup: 0 },
  {
    ...(go && {
      "etcd's Go client, shared session, 64 at once": async () =>
        (await go.ask('register', registrations, 64)).ms,
    }),
    'group commit, keys alone': putUnderSession,
    'registry.register()': registerOurs,
  },
);

go?.close();
connection.close();
raw.close();
await client.close();
await etcd.stop();
