import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ChannelOptions,
  type Client,
  Metadata,
  type ServiceError,
  credentials,
  status,
} from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connection } from '../../../lib/coord/grpc/client-options.js';
import type { CoordGrpcOptions } from '../../../lib/coord/grpc/coord-grpc.options.js';
import { FaultProxy } from '../../../lib/testing/faults/fault-proxy.js';
import { EchoClient, EchoServer, say } from '../../support/grpc/echo-server.js';
import { HealthServer } from '../../support/grpc/health-server.js';
import { FakeRegistry } from '../../support/grpc/fake-registry.js';
import { until } from '../../support/until.js';

const headers = (given: Record<string, string>): Metadata => {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(given)) metadata.set(name, value);
  return metadata;
};

describe('the balancer in a channel of grpc-js', () => {
  let registry: FakeRegistry;
  let servers: EchoServer[];
  let clients: Client[];
  let links: FaultProxy[];

  beforeEach(() => {
    registry = new FakeRegistry();
    servers = [];
    clients = [];
    links = [];
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    await Promise.all(links.map((link) => link.close()));
    for (const server of servers) server.kill();
    registry.close();
  });

  const client = (options: CoordGrpcOptions = {}, channelOptions: ChannelOptions = {}): Client => {
    const made = connection('echo', options, channelOptions, [], registry);
    const one = new EchoClient(made.target, credentials.createInsecure(), made.channelOptions);
    clients.push(one);
    return one;
  };

  const serve = async (
    id: string,
    metadata: Record<string, string> = {},
    health = false,
  ): Promise<EchoServer> => {
    const server = await EchoServer.start(id, { health });
    servers.push(server);
    registry.add(id, server.port, metadata);
    return server;
  };

  const spread = async (one: Client, calls: number, metadata?: Metadata): Promise<Record<string, number>> => {
    const seen: Record<string, number> = {};
    for (let call = 0; call < calls; call++) {
      const server = await say(one, {}, metadata).catch(() => 'failed');
      seen[server] = (seen[server] ?? 0) + 1;
    }
    return seen;
  };

  /** Waits until the client talks to this many instances. */
  const connected = (one: Client, instances: number): Promise<void> =>
    until(async () => Object.keys(await spread(one, 2 * instances)).length === instances);

  /** The server that answers, or why none does. */
  const outcome = (one: Client): Promise<string> =>
    say(one).catch(({ code, details }: ServiceError) => `${code} ${details}`);

  /** Why the client that was made last sends nothing to this instance. */
  const trouble = (id: string): string | undefined =>
    [...registry.channels]
      .at(-1)
      ?.explain({ get: () => undefined })
      .instances.find(({ instance }) => instance.id === id)?.excluded;

  /** A server behind a proxy that can make it hang. */
  const serveBehind = async (id: string, metadata: Record<string, string> = {}): Promise<FaultProxy> => {
    const server = await EchoServer.start(id);
    servers.push(server);
    const link = await FaultProxy.start({ target: `127.0.0.1:${server.port}` });
    links.push(link);
    registry.add(id, link.port, metadata);
    return link;
  };

  const setHealth = (id: string, servingStatus: 'SERVING' | 'NOT_SERVING'): void => {
    const health = servers.find(({ name }) => name === id)?.health;
    if (health) health.setStatus('', servingStatus);
  };

  it('keeps calls with the same header together', async () => {
    await Promise.all([serve('a'), serve('b'), serve('c')]);
    const one = client({ loadBalancing: 'consistent_hash', hashHeader: 'X-User' });
    await connected(one, 3);
    const homes = new Map<string, string>();
    for (let user = 0; user < 30; user++) {
      const seen = Object.keys(await spread(one, 3, headers({ 'x-user': String(user) })));
      expect(seen).toHaveLength(1);
      homes.set(String(user), seen[0]!);
    }
    expect(new Set(homes.values()).size).toBe(3);
  });

  it('prefers its zone, spills when the zone dies and comes back to it', async () => {
    const near = await serve('near', { zone: 'a' });
    await serve('far', { zone: 'b' });
    const one = client({ zone: 'a' });
    await until(async () => (await spread(one, 4))['near'] === 4);
    near.kill();
    await until(async () => (await spread(one, 4))['far'] === 4);
    servers.push(await EchoServer.start('near', { port: near.port }));
    await until(async () => (await spread(one, 4))['near'] === 4);
  });

  it('routes by a header and sends a share to the canary that can change', async () => {
    await serve('old', { version: '1' });
    await serve('new', { version: '2' });
    let share = 0;
    const one = client({ versionHeader: 'x-coord-version', canary: { version: '2', share: () => share } });
    await until(async () => (await spread(one, 3, headers({ 'x-coord-version': '2' })))['new'] === 3);
    await until(async () => (await spread(one, 3, headers({ 'x-coord-version': '1' })))['old'] === 3);
    expect(await spread(one, 10)).toEqual({ old: 10 });
    share = 0.05;
    const seen = await spread(one, 1_000);
    expect(seen['new']! / 1_000).toBeGreaterThan(0.02);
    expect(seen['new']! / 1_000).toBeLessThan(0.09);
    share = 1;
    expect(await spread(one, 10)).toEqual({ new: 10 });
    await expect(say(one, {}, headers({ 'x-coord-version': '3' }))).rejects.toMatchObject({
      code: status.UNAVAILABLE,
      details: 'no instance of echo has the version that the call asks for',
    });
  });

  it('lets a call wait for the version that it asks for while that connects, and fails it at once when it cannot', async () => {
    await serve('old', { version: '1' });
    const link = await serveBehind('new', { version: '2' });
    link.stall();
    const one = client({ versionHeader: 'x-version' });
    expect(await say(one)).toBe('old');
    const call = say(one, {}, headers({ 'x-version': '2' }));
    expect(await Promise.race([call, sleep(200, 'waits')])).toBe('waits');
    link.resume();
    expect(await call).toBe('new');
    link.refuse();
    await until(async () => trouble('new') !== undefined && trouble('new') !== 'connecting');
    await expect(say(one, {}, headers({ 'x-version': '2' }))).rejects.toMatchObject({
      code: status.UNAVAILABLE,
      details: 'none of the instances of echo that have the version that the call asks for takes calls now',
    });
  });

  it('sets an instance aside whose calls keep failing, and takes it back when it is well', async () => {
    await Promise.all([serve('a'), serve('b'), serve('sick')]);
    const one = client();
    await connected(one, 3);
    const sick = servers.find(({ name }) => name === 'sick')!;
    sick.failWith = status.UNAVAILABLE;
    await spread(one, 15);
    expect(await spread(one, 12)).toEqual({ a: 6, b: 6 });
    sick.failWith = undefined;
    await until(async () => 'sick' in (await spread(one, 3)), { timeout: 4_000 });
    expect((await spread(one, 12))['sick']).toBe(4);
  });

  it('does not set instances aside when all fail alike, or by the status of a handler', async () => {
    await Promise.all([serve('a'), serve('b')]);
    const one = client();
    await connected(one, 2);
    for (const server of servers) server.failWith = status.UNAVAILABLE;
    await spread(one, 40);
    const counted = servers.map(({ calls }) => calls);
    await spread(one, 20);
    expect(servers.map(({ calls }, index) => calls - counted[index]!)).toEqual([10, 10]);
    servers[1]!.failWith = undefined;
    servers[0]!.failWith = status.NOT_FOUND;
    await spread(one, 40);
    expect(await spread(one, 10)).toEqual({ failed: 5, [servers[1]!.name]: 5 });
  });

  it('eases a newcomer in', async () => {
    await serve('old');
    const [slow, quick] = [client({ slowStart: '1h' }), client({ slowStart: '50ms' })];
    await connected(slow, 1);
    await connected(quick, 1);
    await serve('new');
    // It begins with a tenth of its weight: one call in eleven.
    await until(async () => 'new' in (await spread(slow, 11)));
    expect(await spread(slow, 44)).toEqual({ old: 40, new: 4 });
    await until(async () => (await spread(quick, 10))['new'] === 5);
  });

  it('goes by what the health service of an instance says', async () => {
    await serve('plain');
    await serve('ill', {}, true);
    const one = client({ healthCheck: true });
    await connected(one, 2);
    setHealth('ill', 'NOT_SERVING');
    await until(async () => (await spread(one, 4))['plain'] === 4);
    setHealth('ill', 'SERVING');
    await connected(one, 2);
  });

  it('waits for the first answer of the health service, and fails no call meanwhile', async () => {
    await Promise.all([serve('a', {}, true), serve('b', {}, true)]);
    for (let turn = 0; turn < 5; turn++)
      expect(await outcome(client({ healthCheck: true }))).toMatch(/^[ab]$/);
  });

  it('says so when nobody serves by what the health services say', async () => {
    await Promise.all([serve('a', {}, true), serve('b', {}, true)]);
    for (const id of ['a', 'b']) setHealth(id, 'NOT_SERVING');
    const all = 'none of the 2 instances of echo serves, as its health service has not said that it does';
    const one = client({ healthCheck: true });
    expect(await outcome(one)).toBe(`14 ${all}`);
    setHealth('b', 'SERVING');
    await until(async () => (await outcome(one)) === 'b');
  });

  it('goes on asking a health service that ends its stream in good order', async () => {
    const server = await HealthServer.start();
    registry.add('x', server.port);
    const one = client({ healthCheck: true });
    await until(async () => (await outcome(one)) === 'x');
    server.endStream();
    await until(() => server.watches === 2);
    expect(await outcome(one)).toBe('x');
    server.serving = false;
    server.endStream();
    await until(() => trouble('x') !== undefined);
    server.stop();
  });

  it('reconnects at once to an instance that registered anew, whatever its backoff', async () => {
    const a = await serve('a');
    await serve('b');
    const never = { 'grpc.initial_reconnect_backoff_ms': 60_000, 'grpc.max_reconnect_backoff_ms': 60_000 };
    const one = client({}, never);
    await connected(one, 2);
    a.kill();
    await until(() => trouble('a') === 'transient_failure');
    servers.push(await EchoServer.start('a', { port: a.port }));
    registry.add('a', a.port, { started: 'again' });
    await connected(one, 2);
  });

  describe('with pick_first', () => {
    const pickFirst = async (
      options: CoordGrpcOptions = {},
    ): Promise<[Client, first: string, next: string]> => {
      const one = client({ loadBalancing: 'pick_first', ...options });
      const first = await say(one);
      expect(await spread(one, 5)).toEqual({ [first]: 5 });
      return [one, first, first === 'a' ? 'b' : 'a'];
    };

    it('goes on to the next while the first does not serve, and comes back', async () => {
      await Promise.all([serve('a', {}, true), serve('b', {}, true)]);
      const [one, first, next] = await pickFirst({ healthCheck: true });
      setHealth(first, 'NOT_SERVING');
      await until(async () => (await outcome(one)) === next);
      setHealth(first, 'SERVING');
      await until(async () => (await outcome(one)) === first);
    });

    it('goes on to the next while calls to the first fail', async () => {
      await Promise.all([serve('a'), serve('b')]);
      const [one, first, next] = await pickFirst();
      servers.find(({ name }) => name === first)!.failWith = status.UNAVAILABLE;
      await until(async () => (await outcome(one)) === next);
      expect(await spread(one, 5)).toEqual({ [next]: 5 });
    });

    it('goes on to the next while the first hangs', async () => {
      const behind = { a: await serveBehind('a'), b: await serveBehind('b') };
      const [one, first, next] = await pickFirst();
      behind[first as 'a' | 'b'].stall();
      const held = outcome(one);
      await until(() => trouble(first) === 'it does not answer');
      expect(await spread(one, 5)).toEqual({ [next]: 5 });
      behind[first as 'a' | 'b'].resume();
      expect(await held).toBe(first);
      await until(async () => (await outcome(one)) === first);
    });

    it('goes on to the next while the first is slow to connect', async () => {
      const behind = { a: await serveBehind('a'), b: await serveBehind('b') };
      for (const link of Object.values(behind)) link.stall();
      const one = client({ loadBalancing: 'pick_first' });
      const answer = say(one);
      await until(() => Object.values(behind).every(({ accepted }) => accepted > 0));
      const first = trouble('a') === 'connecting' && trouble('b') === 'connecting';
      expect(first).toBe(true);
      behind.b.resume();
      expect(await answer).toBe('b');
    });

    it('begins with its zone, and with one instance of each version that calls ask for', async () => {
      await serve('far', { zone: 'y', version: '1' });
      await serve('old', { zone: 'x', version: '1' });
      await serve('new', { zone: 'x', version: '2' });
      const one = client({ loadBalancing: 'pick_first', zone: 'x', versionHeader: 'x-version' });
      expect(await say(one, {}, headers({ 'x-version': '1' }))).toBe('old');
      await until(async () => (await spread(one, 1, headers({ 'x-version': '2' })))['new'] === 1);
      expect(trouble('far')).toBe('idle');
    });
  });

  it('finds a hung instance also when there are few calls, and nobody else answers any just then', async () => {
    await serve('a');
    await serve('b');
    const link = await serveBehind('hung');
    const one = client();
    await connected(one, 3);
    link.stall();
    // One call hangs, the others are over: no other instance has anything to say.
    while (
      trouble('hung') === undefined &&
      (await Promise.race([outcome(one), sleep(100, 'hangs')])) !== 'hangs'
    );
    await until(() => trouble('hung') !== undefined);
    expect(trouble('hung')).toBe('it does not answer');
    expect(await spread(one, 6)).toEqual({ a: 3, b: 3 });
  });

  it('does not take an instance for hung whose own health service is slow', async () => {
    await serve('a');
    const server = await HealthServer.start();
    registry.add('x', server.port);
    const one = client();
    await connected(one, 2);
    server.delay = 1_500; // of its calls, and of the health service
    const troubles = new Set<string | undefined>();
    const slow = Promise.all([outcome(one), outcome(one)]);
    for (let over = false; !over; troubles.add(trouble('x'))) {
      over = await Promise.race([slow.then(() => true), sleep(20, false)]);
      await Promise.race([outcome(one), sleep(20)]);
    }
    expect(await slow).toContain('x');
    expect([...troubles]).toEqual([undefined]);
    server.stop();
  });

  it('keeps the last good share of a canary when the function throws or makes no sense, and says so once', async () => {
    await serve('old', { version: '1' });
    await serve('new', { version: '2' });
    let answer: () => unknown = () => {
      throw new Error('not loaded yet');
    };
    const one = client({ canary: { version: '2', share: () => answer() as number } });
    await until(async () => (await outcome(one)) === 'old');
    answer = () => 1;
    await until(async () => (await spread(one, 5))['new'] === 5);
    for (const nonsense of [NaN, 50, -1, undefined, 'half']) {
      answer = () => nonsense;
      expect(await spread(one, 5)).toEqual({ new: 5 });
    }
    const lines = registry.lines.filter(({ message }) =>
      message.startsWith("the share of a client's canary"),
    );
    expect(lines.map(({ level, fields }) => `${level}: ${String(fields?.['err'])}`)).toEqual([
      'error: Error: not loaded yet',
      'error: RangeError: it returned NaN, not a number from 0 to 1',
    ]);
  });

  it('takes an instance back that hung, once the calls it had are answered', async () => {
    await Promise.all([serve('a'), serve('b')]);
    const link = await serveBehind('hung');
    const one = client();
    await connected(one, 3);
    link.stall();
    const held = [say(one), say(one), say(one)];
    // The others answer meanwhile: it is not this process that is deaf.
    await until(async () => {
      await Promise.race([spread(one, 1), sleep(20)]);
      return trouble('hung') !== undefined;
    });
    expect(trouble('hung')).toBe('it does not answer');
    expect(await spread(one, 6)).toEqual({ a: 3, b: 3 });
    link.resume();
    expect(await Promise.all(held)).toContain('hung');
    await until(async () => (await spread(one, 3))['hung'] === 1);
  });

  it('explains whom it would choose and why not the others', async () => {
    await serve('a', { zone: 'x', version: '1' });
    await serve('b', { zone: 'x', version: '2' });
    await serve('leaving', { state: 'draining' });
    await serve('unwanted', { shard: '9' });
    await serve('empty', { weight: '0' });
    const dead = await EchoServer.start('dead');
    dead.kill();
    registry.add('dead', dead.port);
    const one = client({
      zone: 'x',
      versionHeader: 'x-version',
      filter: ({ metadata }) => metadata?.['shard'] !== '9',
    });
    await connected(one, 2);
    await until(() => registry.doubted.includes('dead'));
    const [channel] = registry.channels;
    const {
      instances,
      chosen,
      steps,
      connected: isConnected,
    } = channel!.explain({
      get: (name) => (name === 'x-version' ? '2' : undefined),
    });
    expect(isConnected).toBe(true);
    expect(chosen?.id).toBe('b');
    expect(Object.fromEntries(instances.map(({ instance, excluded }) => [instance.id, excluded]))).toEqual({
      a: undefined,
      b: undefined,
      leaving: 'it is draining',
      unwanted: "the client's filter leaves it out",
      empty: 'its weight is 0',
      dead: 'transient_failure',
    });
    expect(steps.map(({ filter, left }) => [filter, left])).toEqual([
      ['version', 1],
      ['zone', 1],
      ['policy', 1],
    ]);
  });
});
