import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedEtcd } from '../../../lib/testing/index.js';
import { WireClient, type WireWatch } from './wire-client.js';

const served = (call: Promise<unknown>): Promise<boolean> =>
  call.then(
    () => true,
    () => false,
  );

describe('the faults of an embedded etcd', () => {
  let etcd: EmbeddedEtcd;
  let client: WireClient;

  beforeEach(async () => {
    etcd = await EmbeddedEtcd.start();
    client = new WireClient(etcd.endpoint);
  });

  afterEach(async () => {
    client.close();
    await etcd.stop();
  });

  it('cutStreams ends every stream; a new one is served at once', async () => {
    const stream = client.watch();
    const ended = new Promise((resolve) => stream.on('error', resolve));
    stream.write({ createRequest: { key: 'a' } });
    await new Promise((resolve) => stream.once('data', resolve));
    etcd.faults.cutStreams();
    await ended;
    await expect.poll(() => served(client.range({ key: 'a' }))).toBe(true);
  });

  it('stall answers nothing until resume', async () => {
    etcd.faults.stall();
    const call = client.put({ key: 'a', value: '1' });
    expect(await served(client.range({ key: 'a' }, { deadline: Date.now() + 100 }))).toBe(false);
    etcd.faults.resume();
    expect((await call).header.revision).toBe('2');
  });

  it('compact ends a watch that wants the history', async () => {
    for (const value of '12345') await client.put({ key: 'a', value });
    etcd.faults.compact(5);
    const stream = client.watch();
    const cancelled = new Promise<WireWatch>((resolve) => {
      stream.on('data', (response: WireWatch) => response.canceled && resolve(response));
    });
    stream.write({ createRequest: { key: 'a', startRevision: '2' } });
    expect(await cancelled).toMatchObject({ compactRevision: '5', cancelReason: '' });
    await expect(client.range({ key: 'a', revision: '4' })).rejects.toThrow(
      '11 OUT_OF_RANGE: etcdserver: mvcc: required revision has been compacted',
    );
  });

  it('expireLease deletes the keys of the lease, and it cannot be renewed', async () => {
    const { ID } = await client.grant(60);
    await client.put({ key: 'held', value: '1', lease: ID });
    etcd.faults.expireLease(ID);
    expect((await client.range({ key: 'held' })).kvs).toEqual([]);
    const stream = client.keepAlive();
    stream.write({ ID });
    const [answer] = await new Promise<{ TTL: string }[]>((resolve) =>
      stream.once('data', (...all) => resolve(all)),
    );
    expect(answer?.TTL).toBe('0');
  });

  it('expireLease names what it takes, and says when there is no such lease', () => {
    expect(() => etcd.faults.expireLease('mine')).toThrow(/^id takes the id of a lease.*got 'mine'$/);
    expect(() => etcd.faults.expireLease(7n)).toThrow('etcdserver: requested lease not found');
  });

  it('restart refuses connections for a while and comes back with its keys, its leases and a new term', async () => {
    const { ID } = await client.grant(60);
    await client.put({ key: 'held', value: '1', lease: ID });
    const before = (await client.range({ key: 'held' })).header;
    const restarted = etcd.faults.restart({ down: 100 });
    expect(await served(client.range({ key: 'held' }))).toBe(false);
    await restarted;
    await expect.poll(() => served(client.range({ key: 'held' })), { timeout: 5_000 }).toBe(true);
    const after = await client.range({ key: 'held' });
    expect(after.kvs).toHaveLength(1);
    expect(after.header).toEqual({ ...before, raftTerm: '3' });
    expect((await client.timeToLive(ID)).grantedTTL).toBe('60');
  });

  it('a restart that is under way when the server stops does not bring it back', async () => {
    const restarted = etcd.faults.restart({ down: 100 });
    await etcd.stop();
    await restarted;
    await expect(client.range({ key: 'a' }, { deadline: Date.now() + 200 })).rejects.toThrow();
    const port = Number(etcd.endpoint.split(':')[1]);
    const second = await EmbeddedEtcd.start({ port });
    await second.stop();
  });

  it('network lets a test strike at one message', async () => {
    await client.put({ key: 'a', value: '1' });
    etcd.faults.network.cutAtFrame({ path: '/etcdserverpb.KV/Put' });
    await expect(client.put({ key: 'a', value: '2' })).rejects.toThrow(/UNAVAILABLE/);
  });
});

describe('EmbeddedEtcd', () => {
  it('refuses to start in production', async () => {
    const before = process.env['NODE_ENV'];
    process.env['NODE_ENV'] = 'production';
    try {
      await expect(EmbeddedEtcd.start()).rejects.toThrow(/^NODE_ENV takes anything but "production"/);
    } finally {
      process.env['NODE_ENV'] = before;
    }
  });

  it('names a port that is taken and one that is none', async () => {
    await using first = await EmbeddedEtcd.start();
    const port = Number(first.endpoint.split(':')[1]);
    await expect(EmbeddedEtcd.start({ port })).rejects.toThrow(
      /^port takes a port on 127.0.0.1 that is free/,
    );
    await expect(EmbeddedEtcd.start({ port: 70_000 })).rejects.toThrow(/^port takes a port, an integer/);
  });

  it('leaves no socket open when it is stopped, clients or not', async () => {
    const sockets = () => process.getActiveResourcesInfo().filter((each) => each.startsWith('TCP')).length;
    const before = sockets();
    const etcd = await EmbeddedEtcd.start();
    const client = new WireClient(etcd.endpoint);
    const stream = client.watch();
    stream.write({ createRequest: { key: 'a' } });
    await new Promise((resolve) => stream.once('data', resolve));
    expect(sockets()).toBeGreaterThan(before);
    await etcd.stop();
    client.close();
    await expect.poll(sockets).toBeLessThanOrEqual(before);
  });

  it('can be stopped twice', async () => {
    const etcd = await EmbeddedEtcd.start();
    await etcd.stop();
    await etcd.stop();
  });
});
