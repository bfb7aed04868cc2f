import { type Client, type ServiceError, connectivityState, credentials, status } from '@grpc/grpc-js';
import { ClientProxyFactory, type ClientGrpcProxy } from '@nestjs/microservices';
import { type Observable, firstValueFrom } from 'rxjs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { coordGrpc } from '../../../lib/coord/grpc/coord-grpc.js';
import type { CoordGrpcOptions } from '../../../lib/coord/grpc/coord-grpc.options.js';
import { ClosedError } from '../../../lib/errors/closed.error.js';
import type { Registration } from '../../../lib/coord/registry/registration.js';
import {
  type Answer,
  ECHO_PROTO,
  EchoClient,
  EchoServer,
  type Words,
  say,
} from '../../support/grpc/echo-server.js';
import { EchoClient as GeneratedClient } from '../../support/grpc/generated/echo.js';
import { until } from '../../support/until.js';
import { type EtcdUnderTest, etcdKinds, startEtcdOf } from '../etcd-kinds.js';
import { RegistryRoom } from '../registry/registry-room.js';

interface Echo {
  say(words: Words): Observable<Answer>;
  count(words: Words): Observable<Answer>;
}

const echo = (proxy: ClientGrpcProxy): Echo => proxy.getService<Echo>('Echo');
const PROTO = { package: 'echo', protoPath: ECHO_PROTO };
let services = 0;

describe.each(await etcdKinds())('gRPC clients over an etcd of kind %s', (kind) => {
  let etcd: EtcdUnderTest;
  let room: RegistryRoom;
  let servers: EchoServer[] = [];
  let name = '';

  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
  });

  beforeEach(async () => {
    room = new RegistryRoom(etcd.endpoints);
    await room.client.ready();
    name = `echo-${++services}`;
  });

  afterEach(async () => {
    await room.close();
    for (const server of servers) server.kill();
    servers = [];
  });

  afterAll(() => etcd.stop());

  async function serve(id: string, metadata?: Record<string, string>): Promise<Registration> {
    const server = await EchoServer.start(id);
    servers.push(server);
    return room.registry.register({
      name,
      id,
      address: '127.0.0.1',
      port: server.port,
      ...(metadata && { metadata }),
    });
  }

  async function spread(proxy: ClientGrpcProxy, calls: number): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (let call = 0; call < calls; call++) {
      const { server } = await firstValueFrom(echo(proxy).say({ text: 'hi' }));
      counts[server] = (counts[server] ?? 0) + 1;
    }
    return counts;
  }

  const proxyOf = (options: CoordGrpcOptions = {}): ClientGrpcProxy =>
    room.registry.clientProxy(name, { ...PROTO, ...options });

  it('spreads calls over all instances in turn', async () => {
    await Promise.all([serve('a'), serve('b'), serve('c')]);
    const proxy = proxyOf();
    await room.registry.warmup(proxy);
    await until(async () => Object.keys(await spread(proxy, 6)).length === 3);
    expect(await spread(proxy, 30)).toEqual({ a: 10, b: 10, c: 10 });
  });

  it('follows the weights', async () => {
    await Promise.all([serve('a', { weight: '1' }), serve('b', { weight: '3' })]);
    const proxy = proxyOf();
    await until(async () => Object.keys(await spread(proxy, 8)).length === 2);
    expect(await spread(proxy, 40)).toEqual({ a: 10, b: 30 });
  });

  it('gives calls to an instance that joins and none to one that leaves, without a failed call', async () => {
    await serve('a');
    const proxy = proxyOf();
    expect(await spread(proxy, 3)).toEqual({ a: 3 });
    const b = await serve('b');
    await until(async () => 'b' in (await spread(proxy, 2)));
    await b.deregister();
    await until(async () => !('b' in (await spread(proxy, 2))));
    expect(await spread(proxy, 10)).toEqual({ a: 10 });
  });

  it('fails fast when nobody is registered, says why, and recovers when somebody is', async () => {
    const proxy = proxyOf();
    const since = performance.now();
    const error = await firstValueFrom(echo(proxy).say({})).catch(
      (reason: unknown) => reason as ServiceError,
    );
    expect(performance.now() - since).toBeLessThan(2_000);
    expect(error).toMatchObject({ code: status.UNAVAILABLE });
    expect((error as ServiceError).details).toBe(
      `no instance of ${name} is registered in etcd (${etcd.endpoints[0]}, /services/), ` +
        'nor has this process seen one since it last began to look: ' +
        `is the name spelled right, and does its server register at /services/${name}/{id}?`,
    );
    await serve('a');
    await until(async () => {
      const { server } = await firstValueFrom(echo(proxy).say({})).catch(() => ({ server: '' }));
      return server === 'a';
    });
  });

  it('fails fast again when the last instance has deregistered', async () => {
    const a = await serve('a');
    const proxy = proxyOf();
    await spread(proxy, 1);
    await a.deregister();
    const none = `no instance of ${name} is registered in etcd (${etcd.endpoints[0]}, /services/)`;
    await until(async () => {
      const failure = await firstValueFrom(echo(proxy).say({})).catch(
        (reason: unknown) => reason as ServiceError,
      );
      return 'details' in failure && failure.details === none;
    });
  });

  it('works with static options of coordGrpc(), made before the registry', async () => {
    await serve('a');
    const proxy = ClientProxyFactory.create(coordGrpc(name, PROTO));
    expect(await spread(proxy, 2)).toEqual({ a: 2 });
    proxy.close();
  });

  it('works with a client that ts-proto generated and the options of getConnection()', async () => {
    await Promise.all([serve('a'), serve('b')]);
    const { target, channelOptions } = room.registry.getConnection(name);
    expect(target).toBe(`coord:///${name}`);
    const client = new GeneratedClient(target, credentials.createInsecure(), channelOptions);
    const ask = (text: string): Promise<Answer> =>
      new Promise((resolve, reject) =>
        client.say({ text, delay: 0, times: 0 }, (error, answer) =>
          error ? reject(error) : resolve(answer),
        ),
      );
    const seen = new Set<string>();
    await until(async () => {
      const { text, server } = await ask('hi');
      expect(text).toBe('hi');
      return seen.add(server).size === 2;
    });
    const counted: string[] = [];
    for await (const { text } of client.count({ text: '', delay: 0, times: 3 })) counted.push(text as string);
    expect(counted).toEqual(['1', '2', '3']);
    client.close();
  });

  it('works with a client that proto-loader made and the options of getConnection()', async () => {
    await serve('a');
    const { target, channelOptions } = room.registry.getConnection(name);
    const client = new EchoClient(target, credentials.createInsecure(), channelOptions);
    expect(await say(client)).toBe('a');
    client.close();
  });

  it('gives unary calls a deadline and streams none', async () => {
    await serve('a');
    const proxy = proxyOf({ timeout: 150 });
    await spread(proxy, 1);
    const failure = await firstValueFrom(echo(proxy).say({ delay: 1_000 })).catch(
      (reason: unknown) => reason as ServiceError,
    );
    expect(failure).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    const answers: string[] = [];
    await new Promise<void>((resolve, reject) => {
      echo(proxy)
        .count({ times: 5, delay: 60 })
        .subscribe({ next: ({ text }) => answers.push(text), complete: () => resolve(), error: reject });
    });
    expect(answers).toEqual(['1', '2', '3', '4', '5']);
  });

  it('repeats calls of the methods it was told are idempotent, and no others', async () => {
    await Promise.all([serve('a'), serve('b')]);
    const retrying = proxyOf({ retry: { methods: ['Echo/Say'] } });
    const plain = proxyOf();
    await until(async () => Object.keys(await spread(plain, 4)).length === 2);
    await until(async () => Object.keys(await spread(retrying, 4)).length === 2);
    servers[0]!.failWith = status.UNAVAILABLE;
    expect(await spread(retrying, 10)).toEqual({ b: 10 });
    await expect(spread(plain, 2)).rejects.toMatchObject({ code: status.UNAVAILABLE });
  });

  it('keeps to one instance with pick_first and moves on when that one is gone', async () => {
    await Promise.all([serve('a'), serve('b'), serve('c')]);
    const proxy = proxyOf({ loadBalancing: 'pick_first' });
    const [first] = Object.keys(await spread(proxy, 10));
    expect(await spread(proxy, 10)).toEqual({ [first!]: 10 });
    await room.registry.deregister(first!);
    servers.find((server) => server.name === first)!.kill();
    await until(async () => {
      const counts = await spread(proxy, 3).catch(() => ({}));
      return Object.keys(counts).length === 1 && !Object.hasOwn(counts, first!);
    });
  });

  it('sends little to a slow instance with least_request', async () => {
    await Promise.all([serve('a'), serve('b'), serve('slow')]);
    servers.find((server) => server.name === 'slow')!.delay = 100;
    const proxy = proxyOf({ loadBalancing: 'least_request' });
    await room.registry.warmup(proxy);
    const counts: Record<string, number> = {};
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let call = 0; call < 50; call++) {
          const { server } = await firstValueFrom(echo(proxy).say({ delay: 2 }));
          counts[server] = (counts[server] ?? 0) + 1;
        }
      }),
    );
    expect((counts['slow'] ?? 0) / 400).toBeLessThan(0.2);
  });

  it('asks only instances that pass the filter, and says so when none does', async () => {
    await Promise.all([serve('a', { shard: '1' }), serve('b', { shard: '2' })]);
    const one = proxyOf({ filter: ({ metadata }) => metadata?.['shard'] === '1' });
    expect(await spread(one, 4)).toEqual({ a: 4 });
    const none = proxyOf({ filter: () => false });
    await expect(spread(none, 1)).rejects.toMatchObject({
      code: status.UNAVAILABLE,
      details: `none of the 2 instances of ${name} passes the client's filter`,
    });
  });

  it('connects to a subset only', async () => {
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map((id) => serve(id)));
    const proxy = proxyOf({ subsetSize: 2 });
    await until(async () => Object.keys(await spread(proxy, 10)).length === 2);
    expect(Object.keys(await spread(proxy, 20))).toHaveLength(2);
  });

  it('connects before the first call where asked to, and says so when nobody answers in time', async () => {
    await expect(room.registry.warmup(proxyOf(), { timeout: '200ms' })).rejects.toMatchObject({
      code: 'COORD_UNAVAILABLE',
      message: expect.stringContaining('within 200 ms'),
    });
    await serve('a');
    const proxy = proxyOf({ timeout: 1_000 });
    await room.registry.warmup(proxy);
    expect(proxy.getClientByServiceName<Client>('Echo').getChannel().getConnectivityState(false)).toBe(
      connectivityState.READY,
    );
  });

  it('closes the clients that it made', async () => {
    const server = await EchoServer.start('a');
    servers.push(server);
    await room.put(`/services/${name}/a`, JSON.stringify({ address: '127.0.0.1', port: server.port }));
    const closing = new RegistryRoom(etcd.endpoints);
    const proxy = closing.registry.clientProxy(name, PROTO);
    const channel = proxy.getClientByServiceName<Client>('Echo').getChannel();
    expect(await spread(proxy, 1)).toEqual({ a: 1 });
    await closing.close();
    expect(channel.getConnectivityState(false)).toBe(connectivityState.SHUTDOWN);
    expect(() => closing.registry.clientProxy(name, PROTO)).toThrow(ClosedError);
  });

  it('lets go of a client that its user has closed', async () => {
    const closing = new RegistryRoom(etcd.endpoints);
    const proxies = [1, 2].map(() => closing.registry.clientProxy(name, PROTO));
    const closes = proxies.map((proxy) => vi.spyOn(proxy, 'close'));
    proxies[0]!.close();
    await closing.close();
    expect(closes.map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
  });

  it('keeps calling those it knows while the registry has lost them all at once', async () => {
    await Promise.all([serve('a'), serve('b')]);
    const client = new RegistryRoom(etcd.endpoints);
    const proxy = client.registry.clientProxy(name, PROTO);
    await until(async () => Object.keys(await spread(proxy, 4)).length === 2);
    // Foreign keys without an owner that would put them back.
    await Promise.all(['a', 'b'].map((id) => room.registry.deregister(id)));
    for (const server of servers) {
      const { port, name: id } = server;
      await room.put(`/services/${name}/${id}`, JSON.stringify({ address: '127.0.0.1', port }));
    }
    await until(async () => Object.keys(await spread(proxy, 4).catch(() => ({}))).length === 2);
    await Promise.all(['a', 'b'].map((id) => room.remove(`/services/${name}/${id}`)));
    await until(async () => (await client.registry.discover(name)).length === 0);
    await until(() => client.lines.some(({ message }) => message.startsWith('the registry lost most')));
    expect(await spread(proxy, 10)).toEqual({ a: 5, b: 5 });
    // Refused connections confirm the loss.
    for (const server of servers) server.kill();
    await until(async () => {
      const failure = await firstValueFrom(echo(proxy).say({})).catch(
        (reason: unknown) => reason as ServiceError,
      );
      return 'details' in failure && failure.details.includes('no instance of');
    });
    await client.close();
  });
});
