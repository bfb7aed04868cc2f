import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCommandLine } from '../../../lib/cli/command-line.js';
import { resolveCoordOptions } from '../../../lib/coord/coord.options.js';
import { EtcdClient } from '../../../lib/coord/etcd/etcd.client.js';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';
import { recordedIo } from '../../unit/cli/recorded-io.js';

const value = (name: string, id: string): string =>
  JSON.stringify({ id, name, address: '127.0.0.1', port: 5000, metadata: { zone: 'a' } });

describe.each(await etcdKinds())('im-infra services, on etcd (%s)', (kind) => {
  let etcd: EtcdUnderTest;
  let client: EtcdClient;
  const put = (key: string, text: string) => client.commit({ success: [{ put: { key, value: text } }] });
  const drop = (key: string) => client.commit({ success: [{ delete: { key } }] });

  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
    client = EtcdClient.create(resolveCoordOptions({ endpoints: etcd.endpoints }).etcd);
    await put('/services/user/u1', value('user', 'u1'));
    await put('/services/user-admin/a1', value('user-admin', 'a1'));
  });

  afterAll(async () => {
    await client.close();
    await etcd.stop();
  });

  const run = async (...args: string[]) => {
    const io = recordedIo({ ETCD_ENDPOINTS: etcd.endpoints.join(',') });
    return { code: await runCommandLine(['services', ...args], io), out: io.out, err: io.err };
  };

  it('ls lists every instance in columns', async () => {
    const { code, out } = await run('ls');
    expect(code).toBe(0);
    expect(out.split('\n').map((line) => line.split(/ {3,}/))).toEqual([
      ['SERVICE', 'INSTANCE', 'ADDRESS', 'METADATA'],
      ['user-admin', 'a1', '127.0.0.1:5000', 'zone=a'],
      ['user', 'u1', '127.0.0.1:5000', 'zone=a'],
      [''],
    ]);
  });

  it('ls with a name lists that service and none whose name merely begins like it', async () => {
    const { out } = await run('ls', 'user', '--json');
    expect(JSON.parse(out)).toEqual(JSON.parse(value('user', 'u1')));
  });

  it('ls says so when there is none', async () => {
    expect(await run('ls', 'nobody')).toEqual({ code: 0, out: 'no instance is registered\n', err: '' });
  });

  it('ls shows a foreign value with what is wrong with it', async () => {
    await put('/services/user/junk', 'not JSON');
    const { code, out } = await run('ls', 'user');
    await drop('/services/user/junk');
    expect(code).toBe(0);
    expect(out).toContain('/services/user/junk');
    expect(out).toContain('(its value is not JSON)');
  });

  it('watch prints what is there, then each change, until it is stopped', async () => {
    const io = recordedIo();
    const done = runCommandLine(['services', 'watch', 'user', '--endpoints', etcd.endpoints.join(',')], io);
    await vi.waitFor(() => expect(io.out).toBe('PUT     user  u1  127.0.0.1:5000  zone=a\n'));
    await put('/services/user/u2', value('user', 'u2'));
    await drop('/services/user/u2');
    await vi.waitFor(() => expect(io.out.split('\n')).toHaveLength(4));
    expect(io.out.split('\n').map((line) => line.slice(0, 16).trim())).toEqual([
      'PUT     user  u1',
      'PUT     user  u2',
      'DELETE  user  u2',
      '',
    ]);
    io.stop();
    expect(await done).toBe(0);
  });
});

it('fails with 1 and the endpoints when no etcd answers', async () => {
  const io = recordedIo();
  expect(await runCommandLine(['services', 'ls', '--endpoints', '127.0.0.1:1'], io)).toBe(1);
  expect(io.err).toContain('127.0.0.1:1');
});
