// How long a fault is felt: a cut or half-open connection to a healthy server, a stale token, a compacted history, a killed
// and a frozen member of three, a rolling restart.
// Usage: npm run build && node bench/etcd/recovery.mjs [--rounds 9]
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Etcd3 } from 'etcd3';
import { resolveCoordOptions } from '../../dist/esm/coord/coord.options.js';
import { EtcdClient } from '../../dist/esm/coord/etcd/etcd.client.js';
import { EtcdProcess } from '../../dist/esm/testing/index.js';
import { freePorts } from '../../dist/esm/testing/free-port.js';
import { startProxy } from '../support/proxy-process.mjs';
import { quantile } from '../support/rounds.mjs';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '9' } } });
const rounds = Number(values.rounds);

/** What takes seconds by the defaults is not repeated as often. */
const fewRounds = Math.min(rounds, 3);
const WATCHFUL = { progressInterval: '500ms', progressTimeout: '500ms' };

const open = (endpoints, logger, options = WATCHFUL) =>
  EtcdClient.create(resolveCoordOptions({ endpoints, ...options }).etcd, { logger });

function report(name, figures) {
  const at = (share) => `${Math.round(quantile(figures, share))} ms`;
  console.log(`  ${name.padEnd(60)} p50 ${at(0.5).padStart(8)}   most ${at(1).padStart(8)}`);
}

/** How often what is waited for is looked at, in ms: a look at a thousand sessions takes a tenth of that. */
const LOOK = 5;

async function until(condition) {
  const started = performance.now();
  while (!condition()) {
    if (performance.now() - started > 60_000) throw new Error('no recovery within a minute');
    await sleep(LOOK);
  }
}

/** Whether each session was renewed since: what it has left only grows by that. */
function renewal(sessions) {
  const waiting = new Map(sessions.map((session) => [session, session.remaining()]));
  return () => {
    for (const [session, before] of waiting) {
      const left = session.remaining();
      if (left > before) waiting.delete(session);
      else waiting.set(session, left);
    }
    return waiting.size === 0;
  };
}

/** From the cut to the first answer, and to the moment at which every watch is proven alive again and every lease renewed. */
async function cuts(etcd, watches, sessions) {
  const proxy = await startProxy(etcd.endpoint);
  const client = open([proxy.endpoint]);
  await client.ready();
  const held = [];
  for (let index = 0; index < sessions; index++)
    held.push(await client.sessions(2_000 * (index + 3)).acquire());
  const mirrors = Array.from({ length: watches }, (_, index) => client.mirror({ key: `cut/${index}` }));
  await Promise.all(mirrors.map((mirror) => mirror.ready({ timeout: 30_000 })));
  await until(() => mirrors.every((mirror) => mirror.staleFor() === 0));
  const answers = [];
  const live = [];
  const renewed = [];
  for (let round = 0; round < rounds; round++) {
    await sleep(1_500);
    const started = performance.now();
    proxy.cut();
    const since = () => performance.now() - started;
    const stale = () => mirrors.some((mirror) => mirror.staleFor() > 0);
    await Promise.all([
      client.range({ key: 'health' }).then(() => answers.push(since())),
      until(() => mirrors.length === 0 || stale())
        .then(() => until(() => !stale()))
        .then(() => live.push(since())),
      until(renewal(held)).then(() => renewed.push(since())),
    ]);
  }
  report(`cut, ${watches} watches, ${sessions} leases: first answer`, answers);
  if (watches > 0) report(`cut, ${watches} watches, ${sessions} leases: every watch alive`, live);
  if (sessions > 0) report(`cut, ${watches} watches, ${sessions} leases: every lease renewed`, renewed);
  await client.close();
  await proxy.close();
}

/**
 * The floor: on a connection of its own, all watches asked for at once on one bare stream and all renewals on another, with
 * nothing kept and nothing compared.
 */
async function floor(etcd, watches, leases) {
  const client = new Etcd3({ hosts: etcd.endpoint });
  const granted = await Promise.all(
    Array.from({ length: leases }, () => client.leaseClient.leaseGrant({ TTL: 60 })),
  );
  const live = [];
  const renewed = [];
  for (let round = 0; round < rounds; round++) {
    const fresh = new Etcd3({ hosts: etcd.endpoint, grpcOptions: { 'bench.round': round } });
    const started = performance.now();
    const answers = async (opening, requests, figures) => {
      const stream = await opening;
      stream.on('error', () => undefined);
      let missing = requests.length;
      const all = new Promise((resolve) => stream.on('data', () => --missing === 0 && resolve()));
      for (const request of requests) stream.write(request);
      await all;
      figures.push(performance.now() - started);
      stream.cancel();
    };
    const creations = Array.from({ length: watches }, (_, index) => ({
      create_request: { key: Buffer.from(`cut/${index}`), watch_id: index + 1 },
    }));
    await Promise.all([
      answers(fresh.watchClient.watch({}), creations, live),
      answers(
        fresh.leaseClient.leaseKeepAlive({}),
        granted.map(({ ID }) => ({ ID })),
        renewed,
      ),
    ]);
    fresh.close();
  }
  report(`bare streams, new connection: ${watches} watches created`, live);
  report(`bare streams, new connection: ${leases} leases renewed`, renewed);
  await Promise.all(granted.map(({ ID }) => client.leaseClient.leaseRevoke({ ID })));
  client.close();
}

/** Nothing arrives, and nothing is closed: from then on to the moment at which the client leaves the connection. */
async function halfOpen(etcd, name, options) {
  const figures = [];
  for (let round = 0; round < fewRounds; round++) {
    const proxy = await startProxy(etcd.endpoint);
    const client = open([proxy.endpoint], undefined, options);
    await client.ready();
    const mirror = client.mirror({ key: 'half-open' });
    await mirror.ready();
    await sleep(1_000);
    const started = performance.now();
    proxy.stall();
    await until(() => client.status !== 'ready');
    figures.push(performance.now() - started);
    await client.close({ timeout: 0 });
    await proxy.close();
  }
  report(`half-open, one watch, ${name}: noticed`, figures);
}

/** From the call that finds its token expired to its answer. */
async function staleToken() {
  const folder = mkdtempSync(join(tmpdir(), 'im-infra-jwt-'));
  const keys = generateKeyPairSync('rsa', {
    modulusLength: 2_048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  const [publicKey, privateKey] = [join(folder, 'public.pem'), join(folder, 'private.pem')];
  writeFileSync(publicKey, keys.publicKey);
  writeFileSync(privateKey, keys.privateKey);
  const etcd = await EtcdProcess.start({
    args: [`--auth-token=jwt,pub-key=${publicKey},priv-key=${privateKey},sign-method=RS256,ttl=1s`],
  });
  const admin = new Etcd3({ hosts: etcd.endpoint });
  await admin.role('root').create();
  await admin.user('root').create('secret');
  await admin.user('root').addRole('root');
  await admin.auth.authEnable();
  admin.close();
  const client = open([etcd.endpoint], undefined, { username: 'root', password: 'secret' });
  await client.ready();
  const figures = [];
  for (let round = 0; round < rounds; round++) {
    await sleep(2_100);
    const started = performance.now();
    await client.commit({ success: [{ put: { key: 'token', value: '' } }] });
    figures.push(performance.now() - started);
  }
  report('token expired: the write that finds out', figures);
  await client.close();
  await etcd.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** From the end of an outage, in which the history was compacted away, to a map that is right again. */
async function compacted(etcd, keys) {
  const proxy = await startProxy(etcd.endpoint);
  const [client, writer] = [open([proxy.endpoint]), open([etcd.endpoint])];
  await Promise.all([client.ready(), writer.ready()]);
  const put = (index, value) => ({ success: [{ put: { key: `compacted/${index}`, value } }] });
  await Promise.all(Array.from({ length: keys }, (_, index) => writer.commit(put(index, 'x'.repeat(100)))));
  const mirror = client.mirror({ key: 'compacted/', end: 'compacted0' });
  await mirror.ready({ timeout: 30_000 });
  const admin = new Etcd3({ hosts: etcd.endpoint });
  const figures = [];
  for (let round = 0; round < rounds; round++) {
    proxy.refuse();
    for (let write = 0; write < 20; write++) await writer.commit(put(write, `${round}`));
    const { revision } = await writer.commit(put('last', `${round}`));
    await admin.kv.compact({ revision: revision.toString() });
    const started = performance.now();
    proxy.resume();
    await until(() => mirror.snapshot().entries.get('compacted/last')?.modRevision === revision);
    figures.push(performance.now() - started);
  }
  report(`history compacted in an outage, ${keys} keys: listed again`, figures);
  admin.close();
  await Promise.all([client.close(), writer.close()]);
  await proxy.close();
}

/** The same cut with etcd3's own watchers and leases. */
async function cutsOfEtcd3(etcd, watches, leases) {
  const proxy = await startProxy(etcd.endpoint);
  const client = new Etcd3({ hosts: proxy.endpoint });
  const held = Array.from({ length: leases }, () => client.lease(10));
  for (const lease of held) await lease.on('lost', () => undefined).grant();
  for (let index = 0; index < watches; index++) await client.watch().key(`cut/${index}`).create();
  const answers = [];
  for (let round = 0; round < 3; round++) {
    await sleep(6_000);
    const started = performance.now();
    proxy.cut();
    for (;;) {
      try {
        await client.get('health');
        break;
      } catch {
        await sleep(5);
      }
    }
    answers.push(performance.now() - started);
  }
  report(`cut, ${watches} watches, ${leases} leases: first answer, etcd3`, answers);
  for (const lease of held) lease.release();
  client.close();
  await proxy.close();
}

async function cluster() {
  const peers = await freePorts(3);
  const initial = peers.map((port, index) => `m${index}=http://127.0.0.1:${port}`).join();
  const members = await Promise.all(
    peers.map((port, index) => {
      const url = `http://127.0.0.1:${port}`;
      const args = [
        `--name=m${index}`,
        `--initial-cluster=${initial}`,
        `--listen-peer-urls=${url}`,
        `--initial-advertise-peer-urls=${url}`,
      ];
      return EtcdProcess.start({ waitHealthy: false, args });
    }),
  );
  await Promise.all(members.map((member) => member.healthy()));
  return members;
}

/** Resolves when one of the members answers a linearizable read: before that the cluster has no leader. */
function firstAnswer(members) {
  return Promise.any(
    members.map(async ({ endpoint }) => {
      const client = new Etcd3({ hosts: endpoint });
      const ask = () =>
        client.kv.range({ key: Buffer.from('health') }).then(
          () => true,
          () => false,
        );
      while (!(await Promise.race([ask(), sleep(100, false)])));
      client.close();
    }),
  );
}

/** From the fault to the first answered read, the first write seen by a mirror, and the renewal of the lease. */
async function strikes(fault, rounds, name = fault, options = WATCHFUL) {
  const figures = { etcd: [], read: [], event: [], renewal: [] };
  for (let round = 0; round < rounds; round++) {
    const members = await cluster();
    let inUse;
    const note = (message, fields) => {
      if (message === 'etcd connected') inUse = fields.endpoint;
    };
    const quiet = () => undefined;
    const endpoints = members.map(({ endpoint }) => endpoint);
    const logger = { trace: quiet, debug: quiet, info: note, warn: quiet, error: quiet };
    const client = open(endpoints, logger, options);
    await client.ready();
    const mirror = client.mirror({ key: 'struck' });
    await mirror.ready();
    const session = await client.sessions(6_000).acquire();
    const struck = members.find(({ endpoint }) => endpoint === inUse);
    const others = open(endpoints.filter((endpoint) => endpoint !== inUse));
    await others.ready();
    await sleep(1_000);
    const before = session.remaining();
    const started = performance.now();
    if (fault === 'SIGKILL') await struck.kill('SIGKILL');
    else struck.pause();
    const since = () => performance.now() - started;
    await Promise.all([
      firstAnswer(members.filter((member) => member !== struck)).then(() => figures.etcd.push(since())),
      client.range({ key: 'struck' }, { timeout: 30_000 }).then(() => figures.read.push(since())),
      (async () => {
        await others.commit(
          { success: [{ put: { key: 'struck', value: '' } }] },
          { timeout: 30_000, idempotent: true },
        );
        await until(() => mirror.snapshot().entries.size === 1);
        figures.event.push(since());
      })(),
      until(() => session.remaining() > before - since() + 500).then(() => figures.renewal.push(since())),
    ]);
    await Promise.all([client.close(), others.close()]);
    await Promise.all(members.map((member) => member.stop()));
  }
  report(`${name} of the member in use, 3 members: etcd itself`, figures.etcd);
  report(`${name} of the member in use, 3 members: first read`, figures.read);
  report(`${name} of the member in use, 3 members: next event`, figures.event);
  report(`${name} of the member in use, 3 members: lease renewed`, figures.renewal);
}

/** Each member is stopped and started again, one after the other: the longest that a read took meanwhile. */
async function rollingRestart() {
  const figures = [];
  for (let round = 0; round < fewRounds; round++) {
    const members = await cluster();
    const client = open(members.map(({ endpoint }) => endpoint));
    await client.ready();
    const session = await client.sessions(6_000).acquire();
    const rolling = new AbortController();
    let longest = 0;
    const reading = (async () => {
      for (; !rolling.signal.aborted; await sleep(10)) {
        const started = performance.now();
        await client.range({ key: 'rolling' }, { timeout: 30_000 });
        longest = Math.max(longest, performance.now() - started);
      }
    })();
    for (const member of members) {
      await member.restart({ down: 500 });
      await member.healthy();
      await sleep(1_000);
    }
    rolling.abort();
    await reading;
    if (!session.isAlive()) throw new Error('a session was lost in a rolling restart');
    figures.push(longest);
    await client.close();
    await Promise.all(members.map((member) => member.stop()));
  }
  report('rolling restart of 3 members: the slowest read', figures);
}

console.log('recovery, from the fault on');
const etcd = await EtcdProcess.start();
await cuts(etcd, 0, 0);
await cuts(etcd, 1, 1);
await cuts(etcd, 1_000, 1_000);
await floor(etcd, 1_000, 1_000);
await cutsOfEtcd3(etcd, 1, 1);
await halfOpen(etcd, 'progress probes of 500 ms', WATCHFUL);
await halfOpen(etcd, 'defaults', {});
await compacted(etcd, 10_000);
await etcd.stop();
await staleToken();
await strikes('SIGKILL', rounds);
await strikes('SIGSTOP', rounds);
await strikes('SIGSTOP', fewRounds, 'SIGSTOP (defaults)', {});
await rollingRestart();
