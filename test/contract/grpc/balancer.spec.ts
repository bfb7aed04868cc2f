import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, Metadata, credentials, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connection } from '../../../lib/coord/grpc/client-options.js';
import type { CoordGrpcOptions } from '../../../lib/coord/grpc/coord-grpc.options.js';
import { FaultProxy } from '../../../lib/testing/faults/fault-proxy.js';
import { EchoClient, EchoServer, say } from '../../support/grpc/echo-server.js';
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

  const client = (options: CoordGrpcOptions = {}): Client => {
    const made = connection('echo', options, {}, [], registry);
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
    const one = client({ slowStart: '600ms' });
    await connected(one, 1);
    await serve('new');
    const shares: number[] = [];
    const since = performance.now();
    while (performance.now() - since < 900) shares.push((await spread(one, 40))['new'] ?? 0);
    const [early] = shares.filter((share) => share > 0);
    expect(early).toBeLessThan(15);
    expect(shares.at(-1)).toBe(20);
  });

  it('goes by what the health service of an instance says', async () => {
    await serve('plain');
    const ill = await serve('ill', {}, true);
    const one = client({ healthCheck: true });
    await connected(one, 2);
    if (ill.health) ill.health.setStatus('', 'NOT_SERVING');
    await until(async () => (await spread(one, 4))['plain'] === 4);
    if (ill.health) ill.health.setStatus('', 'SERVING');
    await connected(one, 2);
  });

  it('reconnects at once to an instance that registered anew, whatever its backoff', async () => {
    const a = await serve('a');
    await serve('b');
    const one = client();
    await connected(one, 2);
    a.kill();
    await until(async () => (await spread(one, 4))['b'] === 4);
    await sleep(1_500); // its backoff has grown
    servers.push(await EchoServer.start('a', { port: a.port }));
    registry.add('a', a.port, { started: 'again' });
    const since = performance.now();
    await connected(one, 2);
    expect(performance.now() - since).toBeLessThan(500);
  });

  it('takes an instance back that hung, once the calls it had are answered', async () => {
    await Promise.all([serve('a'), serve('b')]);
    const server = await EchoServer.start('hung');
    servers.push(server);
    await using link = await FaultProxy.start({ target: `127.0.0.1:${server.port}` });
    registry.add('hung', link.port);
    const one = client();
    await connected(one, 3);
    const [channel] = registry.channels;
    const trouble = (): string | undefined =>
      channel!.explain({ get: () => undefined }).instances.find(({ instance }) => instance.id === 'hung')
        ?.excluded;
    link.stall();
    const held = [say(one), say(one), say(one)];
    // The others answer meanwhile: it is not this process that is deaf.
    await until(async () => {
      await Promise.race([spread(one, 1), sleep(20)]);
      return trouble() !== undefined;
    });
    expect(trouble()).toBe('it does not answer');
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
