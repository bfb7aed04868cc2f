import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { EtcdProcess } from '../../../lib/testing/index.js';
import { EtcdCluster } from '../../faults/etcd-cluster.js';
import { etcdKinds } from '../etcd-kinds.js';
import { WireClient } from './wire-client.js';

const present = (await etcdKinds()).includes('binary');

describe.runIf(present)('EtcdProcess', () => {
  const cleanups: (() => unknown)[] = [];

  afterEach(async () => {
    for (const clean of cleanups.splice(0).reverse()) await clean();
  });

  const start = async () => {
    const etcd = await EtcdProcess.start();
    const client = new WireClient(etcd.endpoint);
    cleanups.push(
      () => etcd.stop(),
      () => client.close(),
    );
    return { etcd, client };
  };

  const keys = async (client: WireClient): Promise<number> => {
    const ask = () => client.range({ key: 'a' }, { deadline: Date.now() + 1_000 }).catch(() => undefined);
    await expect.poll(ask, { timeout: 10_000 }).toBeDefined();
    return (await ask())!.kvs.length;
  };

  it('takes other ports, once, when one that was free was taken meanwhile', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'im-infra-taken-'));
    const program = join(folder, 'etcd');
    const told = 'listen tcp 127.0.0.1:1: bind: address already in use';
    writeFileSync(
      program,
      `#!/bin/sh\n[ -e "$0.twice" ] && exec etcd "$@"\ntouch "$0.twice"\necho "${told}"\nexit 1\n`,
      { mode: 0o755 },
    );
    const etcd = await EtcdProcess.start({ program });
    cleanups.push(
      () => rmSync(folder, { recursive: true }),
      () => etcd.stop(),
    );
    expect(etcd.running).toBe(true);
  });

  it('says which port is taken that it was to have', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    await expect(EtcdProcess.start({ port })).rejects.toThrow(
      `listen tcp 127.0.0.1:${port}: bind: address already in use`,
    );
  });

  it('keeps data and port through a kill and a restart', async () => {
    const { etcd, client } = await start();
    await client.put({ key: 'a', value: '1' });
    const pid = etcd.pid;
    await etcd.restart();
    expect(etcd.pid).not.toBe(pid);
    expect(await keys(client)).toBe(1);
  });

  it('is a new, empty cluster after a wipe', async () => {
    const { etcd, client } = await start();
    await client.put({ key: 'a', value: '1' });
    await etcd.wipe();
    expect(await keys(client)).toBe(0);
  });

  it('forgets its past when it is compacted, up to the newest revision or to the one asked for', async () => {
    const { etcd, client } = await start();
    for (const value of ['1', '2', '3']) await client.put({ key: 'a', value });
    const at = (revision: number) => client.range({ key: 'a', revision: String(revision) });
    expect(await etcd.compact(3n)).toBe(3n);
    await expect(at(2)).rejects.toThrow('has been compacted');
    expect((await at(3)).kvs[0]!.value.toString()).toBe('2');
    expect(await etcd.compact()).toBe(4n);
    await expect(at(3)).rejects.toThrow('has been compacted');
    expect(await keys(client)).toBe(1);
    await expect(etcd.compact(2n)).rejects.toThrow(/refused compaction.*has been compacted/);
  });

  it('answers nothing while paused and goes on when resumed', async () => {
    const { etcd, client } = await start();
    await client.range({ key: 'a' });
    etcd.pause();
    await expect(client.range({ key: 'a' }, { deadline: Date.now() + 200 })).rejects.toThrow(/DEADLINE/);
    etcd.resume();
    expect(await keys(client)).toBe(0);
  });

  it('stops although it is paused, and twice', async () => {
    const { etcd } = await start();
    etcd.pause();
    await etcd.stop();
    await etcd.stop();
    expect(etcd.running).toBe(false);
  });

  it('says what etcd said when it does not start', async () => {
    await expect(EtcdProcess.start({ args: ['--no-such-flag'] })).rejects.toThrow(
      /ended; it said:[^]*no-such-flag/,
    );
  });

  it('says which program is missing', async () => {
    await expect(EtcdProcess.start({ program: 'no-such-etcd' })).rejects.toThrow(/no-such-etcd/);
  });
});

describe.runIf(present)('EtcdCluster', () => {
  it('moves its leader, and finds a new one when that is killed', async () => {
    await using cluster = await EtcdCluster.start();
    const first = await cluster.leader();
    const second = await cluster.moveLeader();
    expect(second).not.toBe(first);
    expect(await cluster.leader()).toBe(second);
    await second.kill();
    await cluster.healthy();
    expect([second, undefined]).not.toContain(await cluster.leader());
    await second.start();
    const client = new WireClient(second.endpoint);
    await client.put({ key: 'a', value: '1' });
    client.close();
  });
});
