import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceError } from '@grpc/grpc-js';
import { type ClientGrpcProxy, ClientProxyFactory } from '@nestjs/microservices';
import { type Observable, firstValueFrom } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { coordGrpc } from '../../../lib/coord/grpc/coord-grpc.js';
import { EtcdProcess } from '../../../lib/testing/etcd-process.js';
import { onPath } from '../../../lib/testing/on-path.js';
import { type Answer, ECHO_PROTO, EchoServer, type Words } from '../../support/grpc/echo-server.js';
import { until } from '../../support/until.js';
import { RegistryRoom } from '../registry/registry-room.js';

interface Echo {
  say(words: Words): Observable<Answer>;
}

const PROTO = { package: 'echo', protoPath: ECHO_PROTO };

/** Calls without a pause until told to stop; counts what failed. */
class Load {
  sent = 0;
  readonly failures: string[] = [];
  #running = true;
  readonly #done: Promise<void>;

  constructor(proxy: ClientGrpcProxy) {
    this.#done = this.#run(proxy.getService<Echo>('Echo'));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  async #run(echo: Echo): Promise<void> {
    while (this.#running) {
      this.sent++;
      await firstValueFrom(echo.say({ text: 'x' })).catch((error: ServiceError) =>
        this.failures.push(error.details),
      );
      await sleep(3);
    }
  }
}

describe.skipIf(onPath('etcd') === undefined)('an etcd that goes away', () => {
  let etcd: EtcdProcess;
  let servers: EchoServer[];
  let rooms: RegistryRoom[];

  beforeEach(async () => {
    etcd = await EtcdProcess.start();
    servers = [];
    rooms = [];
  });

  afterEach(async () => {
    await Promise.all(rooms.map((room) => room.close()));
    for (const server of servers) server.kill();
    await etcd.stop();
  });

  function open(options: ConstructorParameters<typeof RegistryRoom>[1] = {}): RegistryRoom {
    const room = new RegistryRoom([etcd.endpoint], { sessionTtl: '2s', ...options });
    rooms.push(room);
    return room;
  }

  async function serve(id: string): Promise<RegistryRoom> {
    const room = open();
    const server = await EchoServer.start(id);
    servers.push(server);
    await room.registry.register({ name: 'echo', id, address: '127.0.0.1', port: server.port });
    return room;
  }

  const listed = async (room: RegistryRoom): Promise<number> => {
    const { kvs } = await room.client
      .range({ key: '/services/echo/', end: '/services/echo0' })
      .catch(() => ({ kvs: [] }));
    return kvs.length;
  };

  it.each(['with its data', 'with a wiped data directory'])(
    'for longer than the leases and comes back %s fails no call, and all keys are back within 2 s',
    async (how) => {
      await Promise.all([serve('a'), serve('b'), serve('c')]);
      const client = open();
      const proxy = client.registry.clientProxy('echo', PROTO);
      await client.registry.warmup(proxy);
      const load = new Load(proxy);
      await sleep(200);

      await etcd.kill();
      await sleep(5_000);
      if (how === 'with a wiped data directory') await etcd.wipe();
      else await etcd.start();
      const since = performance.now();
      await until(async () => (await listed(client)) === 3, { what: 'three keys in etcd' });
      expect(performance.now() - since).toBeLessThan(2_000);

      await sleep(3_000);
      await load.stop();
      expect(load.failures).toEqual([]);
      expect(load.sent).toBeGreaterThan(500);
      expect(await client.registry.discover('echo')).toHaveLength(3);
    },
  );

  it('is not there at a start: a first call fails within the limit, and calls work once it is', async () => {
    const a = await serve('a');
    await etcd.kill();
    const client = open();
    const proxy = client.registry.clientProxy('echo', { ...PROTO, resolveTimeout: '500ms' });
    const echo = proxy.getService<Echo>('Echo');
    const since = performance.now();
    const failure = await firstValueFrom(echo.say({})).catch((error: ServiceError) => error);
    expect(performance.now() - since).toBeLessThan(2_000);
    expect((failure as ServiceError).details).toContain('did not say within 500 ms who serves it');
    await etcd.start();
    await until(async () => {
      const answer = await firstValueFrom(echo.say({})).catch(() => undefined);
      return answer?.server === 'a';
    });
    expect(a.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('is not there at a start: with a snapshot of an earlier run the first call is answered at once', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'im-infra-snapshot-'));
    await serve('a');
    const earlier = open({ snapshot: { dir } });
    const before = earlier.registry.clientProxy('echo', PROTO);
    await firstValueFrom(before.getService<Echo>('Echo').say({}));
    await earlier.close();
    await etcd.kill();

    const client = open({ snapshot: { dir } });
    const proxy = client.registry.clientProxy('echo', PROTO);
    const since = performance.now();
    const answer = await firstValueFrom(proxy.getService<Echo>('Echo').say({}));
    expect(answer.server).toBe('a');
    expect(performance.now() - since).toBeLessThan(1_000);
    expect(client.lines.some(({ message }) => message.includes('instances of an earlier run are used'))).toBe(
      true,
    );
    await rm(dir, { recursive: true });
  });

  it('answers discover() with what was known, and with an error where nothing was', async () => {
    await serve('a');
    const client = open({ requestTimeout: '500ms' });
    let seen = 0;
    const subscription = client.registry.watch('echo').subscribe(({ length }) => (seen = length));
    await until(() => seen === 1);
    await etcd.kill();
    expect(await client.registry.discover('echo')).toHaveLength(1);
    await expect(client.registry.discover('other')).rejects.toMatchObject({ code: 'COORD_UNAVAILABLE' });
    subscription.unsubscribe();
  });

  it('comes back as it was in an old backup: what was registered and changed since is put back', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'im-infra-backup-'));
    const data = join(dir, 'data');
    await etcd.stop();
    etcd = await EtcdProcess.start({ args: ['--data-dir', data] });
    const owner = open({ sessionTtl: '10s' });
    const a = await owner.registry.register({ name: 'echo', id: 'a', address: '127.0.0.1', port: 1 });
    await etcd.kill();
    await cp(data, join(dir, 'backup'), { recursive: true });
    await etcd.start();
    await owner.client.ready();
    for (let turn = 0; turn < 20; turn++) await a.update({ turn: String(turn) });
    await owner.registry.register({ name: 'echo', id: 'b', address: '127.0.0.1', port: 2 });

    await etcd.kill();
    await rm(data, { recursive: true });
    await cp(join(dir, 'backup'), data, { recursive: true });
    await etcd.start();
    await until(async () => (await listed(owner)) === 2, { what: 'both keys in etcd' });
    await until(async () => (await owner.read('/services/echo/a'))?.includes('"turn":"19"') ?? false);
    const seen = await open().registry.discover('echo');
    expect(seen.map(({ id }) => id).toSorted((x, y) => x.localeCompare(y))).toEqual(['a', 'b']);
    await rm(dir, { recursive: true });
  });

  it('refuses to register within the budget, and leaves nothing half done', async () => {
    const client = open({ requestTimeout: '500ms' });
    await client.client.ready();
    await etcd.kill();
    const since = performance.now();
    await expect(
      client.registry.register({ name: 'echo', id: 'x', address: 'h', port: 1 }),
    ).rejects.toMatchObject({
      code: 'COORD_UNAVAILABLE',
    });
    expect(performance.now() - since).toBeLessThan(3_000);
    await etcd.start();
    await sleep(1_000);
    expect(await listed(client)).toBe(0);
  });
});

const PEER = 'http://localhost:2380';

describe.skipIf(onPath('etcd') === undefined)('two registries of different etcds in one process', () => {
  it.each([
    ['each keep their own', []],
    // A cluster's id is made of its members' peer URLs: etcds that leave them at their default have the same one.
    [
      'each keep their own, also if both clusters have one id',
      ['--initial-advertise-peer-urls', PEER, '--initial-cluster', `default=${PEER}`],
    ],
  ])('%s', async (_, args) => {
    const etcds = await Promise.all([EtcdProcess.start({ args }), EtcdProcess.start({ args })]);
    const names = ['shop', 'bank'];
    const rooms = etcds.map((etcd, index) => new RegistryRoom([etcd.endpoint], { name: names[index]! }));
    const servers = await Promise.all([EchoServer.start('of-shop'), EchoServer.start('of-bank')]);
    try {
      await Promise.all(rooms.map((room) => room.client.ready()));
      if (args.length > 0) expect(rooms[0]!.client.clusterId).toBe(rooms[1]!.client.clusterId);
      for (const [index, room] of rooms.entries()) {
        await room.registry.register({ name: 'echo', address: '127.0.0.1', port: servers[index]!.port });
      }
      for (const [index, room] of rooms.entries()) {
        const proxy = room.registry.clientProxy('echo', PROTO);
        const { server } = await firstValueFrom(proxy.getService<Echo>('Echo').say({}));
        expect(server).toBe(`of-${names[index]}`);
      }
      const named = ClientProxyFactory.create(coordGrpc('echo', { ...PROTO, registry: 'bank' }));
      expect((await firstValueFrom(named.getService<Echo>('Echo').say({}))).server).toBe('of-bank');
      const vague = ClientProxyFactory.create(coordGrpc('echo', { ...PROTO, resolveTimeout: '100ms' }));
      await expect(firstValueFrom(vague.getService<Echo>('Echo').say({}))).rejects.toThrow(
        'name one with the option registry',
      );
      named.close();
      vague.close();
    } finally {
      for (const server of servers) server.kill();
      await Promise.all(rooms.map((room) => room.close()));
      await Promise.all(etcds.map((etcd) => etcd.stop()));
    }
  });
});
