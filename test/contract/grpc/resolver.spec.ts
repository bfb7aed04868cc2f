import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, type ServiceError, credentials, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { connection } from '../../../lib/coord/grpc/client-options.js';
import type { CoordGrpcOptions } from '../../../lib/coord/grpc/coord-grpc.options.js';
import { CoordResolver } from '../../../lib/coord/grpc/coord-resolver.js';
import { GrpcCopyError } from '../../../lib/coord/grpc/grpc-copy.error.js';
import type { Endpoint, StatusOr } from '../../../lib/coord/grpc/grpc-experimental.js';
import { assertOneCopy, installScheme } from '../../../lib/coord/grpc/grpc-scheme.js';
import { FaultProxy } from '../../../lib/testing/faults/fault-proxy.js';
import { EchoClient, EchoServer, say } from '../../support/grpc/echo-server.js';
import { FakeRegistry } from '../../support/grpc/fake-registry.js';
import { until } from '../../support/until.js';

describe('what grpc-js does with our resolver and balancer', () => {
  let registry: FakeRegistry;
  let servers: EchoServer[];
  let clients: Client[];

  beforeEach(() => {
    registry = new FakeRegistry();
    servers = [];
    clients = [];
  });

  afterEach(() => {
    for (const client of clients) client.close();
    for (const server of servers) server.kill();
    registry.close();
  });

  const client = (options: CoordGrpcOptions = {}, channelOptions: Record<string, unknown> = {}): Client => {
    const made = connection('echo', options, channelOptions, [], registry);
    const one = new EchoClient(made.target, credentials.createInsecure(), made.channelOptions);
    clients.push(one);
    return one;
  };

  const serve = async (id: string): Promise<EchoServer> => {
    const server = await EchoServer.start(id);
    servers.push(server);
    registry.add(id, server.port);
    return server;
  };

  const failure = (call: Promise<string>): Promise<ServiceError> =>
    call.then(
      (server) => Promise.reject(new Error(`${server} answered`)),
      (error: unknown) => error as ServiceError,
    );

  const spread = async (one: Client, calls: number): Promise<Record<string, number>> => {
    const seen: Record<string, number> = {};
    for (let call = 0; call < calls; call++) {
      const server = await say(one);
      seen[server] = (seen[server] ?? 0) + 1;
    }
    return seen;
  };

  it('is told once for each change, and not again when grpc-js asks again', async () => {
    installScheme();
    await serve('a');
    const told: StatusOr<Endpoint[]>[] = [];
    const { channelOptions } = connection('echo', {}, {}, [], registry);
    const resolver = new CoordResolver(
      { scheme: 'coord', authority: '', path: 'echo' },
      (endpoints) => {
        told.push(endpoints);
        resolver.updateResolution();
        return true;
      },
      channelOptions,
    );
    resolver.updateResolution();
    expect(told).toHaveLength(0); // never from within grpc-js' own call
    await sleep(20);
    for (let turn = 0; turn < 100; turn++) resolver.updateResolution();
    registry.tell(); // nothing changed
    await sleep(20);
    expect(told).toHaveLength(1);
    for (let turn = 0; turn < 50; turn++) registry.add(`x${turn}`, 1 + turn); // a burst
    await sleep(20);
    expect(told).toHaveLength(2);
    resolver.destroy();
    registry.add('late', 1);
    await sleep(20);
    expect(told).toHaveLength(2);
    expect(registry.inUse).toBe(0);
  });

  it('does not turn in a circle while connections are refused', async () => {
    const gone = await EchoServer.start('gone');
    gone.kill();
    registry.add('gone', gone.port);
    const one = client();
    expect(await failure(say(one))).toMatchObject({ code: status.UNAVAILABLE });
    const before = process.cpuUsage();
    await sleep(1_000);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(500);
  });

  it('keeps the connection through updates', async () => {
    const a = await serve('a');
    const one = client();
    await say(one);
    for (let turn = 0; turn < 20; turn++) {
      registry.add('a', a.port, { turn: String(turn) });
      await sleep(2);
      await say(one);
    }
    expect(a.peers.size).toBe(1);
  });

  it('shares connections between clients with different options', async () => {
    const a = await serve('a');
    for (const options of [{}, { timeout: '1s' }, { retry: {} }, { filter: () => true }, { zone: 'x' }]) {
      await say(client(options));
    }
    expect(a.peers.size).toBe(1);
  });

  it('fails fast without an instance, at the start and after the last has gone, and recovers', async () => {
    const one = client();
    expect((await failure(say(one))).details).toBe('no instance of echo is registered in etcd (fake)');
    await serve('a');
    await until(() =>
      say(one).then(
        (server) => server === 'a',
        () => false,
      ),
    );
    registry.remove('a');
    await until(() =>
      failure(say(one)).then(
        ({ details }) => details.startsWith('no instance'),
        () => false,
      ),
    );
  });

  it("fails fast without an instance under grpc-js' own round_robin too, which hangs on an empty list", async () => {
    const config = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] });
    const one = client({}, { 'grpc.service_config': config });
    expect((await failure(say(one))).code).toBe(status.UNAVAILABLE);
    await serve('a');
    await serve('b');
    await until(async () => Object.keys(await spread(one, 6).catch(() => ({}))).length === 2);
  });

  it('balances by the policy asked for, and does not fall back to pick_first in silence', async () => {
    await serve('a');
    await serve('b');
    const one = client({ retry: { initialBackoff: '1ms' } });
    await until(async () => Object.keys(await spread(one, 4)).length === 2);
    expect(await spread(one, 20)).toEqual({ a: 10, b: 10 });
  });

  it('answers within the limit when the registry does not', async () => {
    registry.known = false;
    const one = client({ resolveTimeout: '100ms' });
    expect((await failure(say(one))).details).toContain('did not say within 100 ms who serves it');
    registry.known = true;
    await serve('a');
    await until(() =>
      say(one).then(
        (server) => server === 'a',
        () => false,
      ),
    );
  });

  it('is told at once that the registry of a client is closed, and does not wait for what cannot come', async () => {
    registry.known = false;
    const waiting = client({ resolveTimeout: '1m', timeout: '10s' });
    const waited = failure(say(waiting));
    await until(() => registry.inUse === 1);
    registry.close();
    const details = 'coord:///echo: the registry that made this client is closed';
    expect((await waited).details).toBe(details);
    expect((await failure(say(client({ resolveTimeout: '1m', timeout: '10s' })))).details).toBe(details);
  });

  it('starts again after the channel was idle', async () => {
    await serve('a');
    const one = client({}, { 'grpc.client_idle_timeout_ms': 1_000 });
    await say(one);
    await until(() => registry.inUse === 0, { what: 'the idle channel lets go of the directory' });
    registry.remove('a');
    await serve('b');
    expect(await say(one)).toBe('b');
    expect(registry.opened).toBe(2);
  });

  it('does not go through an HTTP proxy', async () => {
    const before = process.env['http_proxy'];
    process.env['http_proxy'] = 'http://127.0.0.1:1';
    try {
      await serve('a');
      expect(await say(client())).toBe('a');
    } finally {
      if (before === undefined) delete process.env['http_proxy'];
      else process.env['http_proxy'] = before;
    }
  });

  it('lets running calls end at an instance that has left', async () => {
    const a = await serve('a');
    const one = client();
    await say(one);
    const running = Promise.all(Array.from({ length: 20 }, () => say(one, { delay: 300 })));
    await sleep(50);
    registry.remove('a');
    expect(new Set(await running)).toEqual(new Set(['a']));
    expect(a.calls).toBe(21);
  });

  it('sends the name of the service as the authority', async () => {
    const a = await serve('a');
    await say(client());
    expect(a.authority).toBe('echo');
  });

  it.each(['coord://echo', 'coord:///echo/more', 'coord:///', 'coord:///echo?x=1'])(
    'refuses the target %s when the client is made',
    (target) => {
      installScheme();
      const make = (): Client => new EchoClient(target, credentials.createInsecure());
      expect(make).toThrow();
      if (target !== 'coord:///') expect(make).toThrow(ValidationError);
    },
  );

  it('finds the registry of the process for a target that is written by hand', async () => {
    await serve('a');
    const one = new EchoClient('coord:///echo', credentials.createInsecure());
    clients.push(one);
    expect(await say(one)).toBe('a');
  });

  it("reads the timeout 0.5s of an application's own service config as half a second", async () => {
    await serve('a');
    const config = JSON.stringify({ methodConfig: [{ name: [{}], timeout: '0.5s' }] });
    const one = client({ timeout: false }, { 'grpc.service_config': config });
    expect(await say(one, { delay: 50 })).toBe('a');
    expect((await failure(say(one, { delay: 2_000 }))).code).toBe(status.DEADLINE_EXCEEDED);
  });

  it('gives a hung peer no new calls, ends those it has before their deadline, and takes it back when it answers', async () => {
    const a = await serve('a');
    await serve('b');
    await using wire = await FaultProxy.start({ target: `127.0.0.1:${a.port}` });
    registry.add('a', wire.port);
    const one = client({ timeout: '1m' });
    await until(async () => Object.keys(await spread(one, 4)).length === 2);
    const [channel] = registry.channels;
    const trouble = (): string | undefined =>
      channel!.explain({ get: () => undefined }).instances.find(({ instance }) => instance.id === 'a')
        ?.excluded;
    wire.stall();
    const stuck: Promise<string>[] = [];
    // Calls go on, one every 10 ms; those that reach the hung peer are not waited for.
    await until(async () => {
      stuck.push(say(one).catch(({ code }: ServiceError) => `failed with ${code}`));
      await sleep(10);
      return trouble() !== undefined;
    });
    expect(trouble()).toBe('it does not answer');
    expect(await spread(one, 100)).toEqual({ b: 100 });
    // HTTP/2's keep-alive ends them; their own deadline is a minute away.
    const ends = new Set(await Promise.all(stuck));
    expect(ends).toEqual(new Set(['b', `failed with ${status.UNAVAILABLE}`]));
    wire.resume();
    await until(async () => Object.keys(await spread(one, 4)).length === 2);
  });

  it('leaves a slow instance and its calls alone', async () => {
    await serve('a');
    const slow = await serve('slow');
    const one = client();
    await until(async () => Object.keys(await spread(one, 4)).length === 2);
    slow.delay = 1_500;
    const answers = await Promise.all(Array.from({ length: 6 }, () => say(one)));
    expect(answers.filter((answer) => answer === 'slow')).toHaveLength(3);
  });

  it('tells the registry whom it cannot connect to', async () => {
    const a = await serve('a');
    await serve('b');
    const one = client();
    await until(async () => Object.keys(await spread(one, 4)).length === 2);
    a.kill();
    await until(() => registry.doubted.includes('a'));
    expect(await spread(one, 4)).toEqual({ b: 4 });
  });

  it('asserts that there is one copy of grpc-js, with a message that says what to do', () => {
    expect(() => assertOneCopy(EchoClient)).not.toThrow();
    class Foreign {}
    expect(() => assertOneCopy(Foreign)).toThrow(GrpcCopyError);
    expect(() => assertOneCopy(Foreign)).toThrow('npm ls @grpc/grpc-js');
  });
});
