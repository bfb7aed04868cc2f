import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedEtcd, FaultProxy } from '../../../lib/testing/index.js';
import { type WireWatch, WireClient } from './wire-client.js';

const WATCH = '/etcdserverpb.Watch/Watch';

describe('FaultProxy', () => {
  let etcd: EmbeddedEtcd;
  let proxy: FaultProxy;
  let client: WireClient;
  let direct: WireClient;

  beforeEach(async () => {
    etcd = await EmbeddedEtcd.start();
    proxy = await FaultProxy.start({ target: etcd.endpoint, seed: 7 });
    client = new WireClient(proxy.endpoint);
    direct = new WireClient(etcd.endpoint);
  });

  afterEach(async () => {
    client.close();
    direct.close();
    await proxy.close();
    await etcd.stop();
  });

  /** Opens a watch of everything through the proxy and collects what arrives. */
  const watchAll = async () => {
    const stream = client.watch();
    const received: string[] = [];
    let ended: Error | undefined;
    stream.on('data', (response: WireWatch) => {
      received.push(response.created ? 'created' : response.events.map(({ kv }) => kv.key.toString()).join());
    });
    const end = new Promise<void>((resolve) => {
      stream.on('error', (error) => {
        ended = error;
        resolve();
      });
    });
    stream.write({ createRequest: { key: '\0', rangeEnd: '\0' } });
    await expect.poll(() => received).toEqual(['created']);
    return { received, end, error: () => ended };
  };

  it('passes calls and streams both ways unchanged', async () => {
    const { received } = await watchAll();
    const value = Buffer.alloc(1_000_000, 7);
    await client.put({ key: 'big', value });
    const { kvs } = await client.range({ key: 'big' });
    expect(Buffer.compare(kvs[0]!.value, value)).toBe(0);
    await expect.poll(() => received).toEqual(['created', 'big']);
  });

  it('knows which methods a connection carries', async () => {
    await watchAll();
    await client.put({ key: 'a', value: '1' });
    expect(proxy.connections.map(({ paths }) => paths)).toEqual([[WATCH, '/etcdserverpb.KV/Put']]);
  });

  it('cuts open connections and serves new ones', async () => {
    const { end, error } = await watchAll();
    proxy.cut();
    await end;
    expect(error()?.message).toMatch(/^14 UNAVAILABLE/);
    await expect
      .poll(() =>
        client.put({ key: 'a', value: '1' }).then(
          () => 'served',
          () => 'refused',
        ),
      )
      .toBe('served');
    expect(proxy.accepted).toBe(2);
  });

  it.each([
    { when: 'before', delivered: ['created', 'k1'] },
    { when: 'after', delivered: ['created', 'k1', 'k2'] },
  ] as const)('cuts $when the second message of a watch', async ({ when, delivered }) => {
    const { received, end } = await watchAll();
    const rule = proxy.cutAtFrame({ path: WATCH, direction: 'server', frame: 2, when });
    await direct.put({ key: 'k1', value: '1' });
    await direct.put({ key: 'k2', value: '2' });
    await direct.put({ key: 'k3', value: '3' });
    expect(await rule.fired).toMatchObject({ path: WATCH, frame: 2 });
    await end;
    expect(received).toEqual(delivered);
  });

  it.each([
    { when: 'before', count: 0 },
    { when: 'after', count: 1 },
  ] as const)('cuts $when a write reaches the server', async ({ when, count }) => {
    await client.range({ key: 'a' });
    const rule = proxy.cutAtFrame({ path: '/etcdserverpb.KV/Put', direction: 'client', when });
    await expect(client.put({ key: 'a', value: '1' })).rejects.toThrow(/UNAVAILABLE/);
    await rule.fired;
    await expect.poll(async () => (await direct.range({ key: 'a' })).kvs.length).toBe(count);
  });

  it('cuts after the write but before its answer', async () => {
    await client.range({ key: 'a' });
    proxy.cutAtFrame({ path: '/etcdserverpb.KV/Put', direction: 'server' });
    await expect(client.put({ key: 'a', value: '1' })).rejects.toThrow(/UNAVAILABLE/);
    expect((await direct.range({ key: 'a' })).kvs).toHaveLength(1);
  });

  it('stalls half-open: nothing is passed on, nothing is closed, and what was held arrives in the end', async () => {
    const { received } = await watchAll();
    proxy.stall();
    await direct.put({ key: 'a', value: '1' });
    await expect(client.put({ key: 'b', value: '1' }, { deadline: Date.now() + 200 })).rejects.toThrow(
      /DEADLINE_EXCEEDED/,
    );
    expect(received).toEqual(['created']);
    expect(proxy.connections).toHaveLength(1);
    proxy.resume();
    await expect.poll(() => received[1]).toBe('a');
  });

  it('stalls one connection at a message and leaves the others alone', async () => {
    const { received } = await watchAll();
    const rule = proxy.stallAtFrame({ path: WATCH, frame: 1, when: 'after' });
    await direct.put({ key: 'a', value: '1' });
    await rule.fired;
    await direct.put({ key: 'b', value: '1' });
    const other = new WireClient(proxy.endpoint);
    expect((await other.range({ key: 'b' })).kvs).toHaveLength(1);
    other.close();
    expect(received).toEqual(['created', 'a']);
    proxy.resume();
    await expect.poll(() => received).toEqual(['created', 'a', 'b']);
  });

  it('lets a stalled newcomer through when the stall ends', async () => {
    proxy.stall();
    const call = client.put({ key: 'a', value: '1' });
    await expect.poll(() => proxy.connections.length).toBe(1);
    proxy.resume();
    await call;
  });

  it('refuses, as a closed port does, and serves again on the same port', async () => {
    await client.put({ key: 'a', value: '1' });
    proxy.refuse();
    const [error] = (await once(connect(proxy.port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
    proxy.resume();
    await expect
      .poll(
        () =>
          client.put({ key: 'a', value: '2' }).then(
            () => 'served',
            () => 'refused',
          ),
        { timeout: 5_000 },
      )
      .toBe('served');
  });

  it('serves again as soon as its port is free, where somebody has taken it meanwhile', async () => {
    proxy.refuse();
    const thief = createServer((socket) => socket.destroy()).listen(proxy.port, '127.0.0.1');
    await once(thief, 'listening');
    proxy.resume();
    await expect(client.put({ key: 'a', value: '1' })).rejects.toThrow();
    thief.close();
    await expect
      .poll(
        () =>
          client.put({ key: 'a', value: '2' }).then(
            () => 'served',
            () => 'refused',
          ),
        { timeout: 5_000 },
      )
      .toBe('served');
  });

  it('stays closed once it is closed', async () => {
    proxy.refuse();
    await proxy.close();
    proxy.resume();
    const [error] = (await once(connect(proxy.port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  });

  it('delays each direction', async () => {
    await client.put({ key: 'a', value: '1' });
    proxy.delay(50);
    const start = performance.now();
    await client.put({ key: 'a', value: '2' });
    expect(performance.now() - start).toBeGreaterThanOrEqual(99);
  });

  it('makes the same random choices from the same seed', async () => {
    const twin = await FaultProxy.start({ target: etcd.endpoint, seed: proxy.seed });
    const draws = (each: FaultProxy) => Array.from({ length: 5 }, () => each.random.integer(1, 1000));
    expect(draws(twin)).toEqual(draws(proxy));
    await twin.close();
  });

  it('passes what is not HTTP/2 as it is', async () => {
    const socket: Socket = connect(proxy.port, '127.0.0.1');
    const closed = once(socket, 'close');
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.0\r\n\r\n');
    socket.resume();
    await closed;
  });

  it('strikes nowhere once a rule is cancelled', async () => {
    const rule = proxy.cutAtFrame({});
    rule.cancel();
    await client.put({ key: 'a', value: '1' });
    expect(proxy.accepted).toBe(1);
  });

  it.each(['', 'localhost', 'localhost:http'])('refuses the target %j', async (target) => {
    await expect(FaultProxy.start({ target })).rejects.toThrow(/^target takes an address/);
  });

  it('names the port that is taken', async () => {
    await expect(FaultProxy.start({ target: etcd.endpoint, port: proxy.port })).rejects.toThrow(
      /^port takes a port on 127.0.0.1 that is free, got \d+$/,
    );
  });
});
