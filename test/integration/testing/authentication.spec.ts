import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';
import { collect, WireClient } from './wire-client.js';

describe.each(await etcdKinds())('authentication on the %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let root: WireClient;
  let anybody: WireClient;

  const login = async (name: string, password: string): Promise<string> =>
    (await anybody.call<{ token: string }>('Auth', 'Authenticate', { name, password })).token;

  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
    [root, anybody] = [new WireClient(etcd.endpoints[0]!), new WireClient(etcd.endpoints[0]!)];
    await expect(login('root', 'x')).rejects.toThrow(
      '9 FAILED_PRECONDITION: etcdserver: authentication is not enabled',
    );
    await root.call('Auth', 'UserAdd', { name: 'root', password: 'secret' });
    await root.call('Auth', 'UserGrantRole', { user: 'root', role: 'root' });
    await root.call('Auth', 'RoleAdd', { name: 'reader' });
    const perm = { permType: 0, key: 'public/', rangeEnd: 'public0' };
    await root.call('Auth', 'RoleGrantPermission', { name: 'reader', perm });
    await root.call('Auth', 'UserAdd', { name: 'alice', password: 'wonder' });
    await root.call('Auth', 'UserGrantRole', { user: 'alice', role: 'reader' });
    await root.call('Auth', 'AuthEnable', {});
    root.token = await login('root', 'secret');
  });

  afterAll(async () => {
    root.close();
    anybody.close();
    await etcd.stop();
  });

  it('wants a token', async () => {
    await expect(anybody.range({ key: 'a' })).rejects.toThrow(
      '3 INVALID_ARGUMENT: etcdserver: user name is empty',
    );
  });

  it('refuses a wrong password and an unknown user alike', async () => {
    const refused = '3 INVALID_ARGUMENT: etcdserver: authentication failed, invalid user ID or password';
    await expect(login('root', 'wrong')).rejects.toThrow(refused);
    await expect(login('nobody', 'secret')).rejects.toThrow(refused);
  });

  it('refuses a token that it does not know, on calls and on watches', async () => {
    const stale = new WireClient(etcd.endpoints[0]!);
    stale.token = 'unknown.1';
    await expect(stale.range({ key: 'a' })).rejects.toThrow(
      '16 UNAUTHENTICATED: etcdserver: invalid auth token',
    );
    const { stream, responses } = collect(stale.watch(), { key: 'a' });
    await expect.poll(() => responses.length).toBe(1);
    expect(responses[0]).toMatchObject({
      watchId: '-1',
      created: true,
      canceled: true,
      cancelReason: 'rpc error: code = Unauthenticated desc = etcdserver: invalid auth token',
    });
    stream.cancel();
    stale.close();
  });

  it('lets root do everything and others what their roles permit', async () => {
    await root.put({ key: 'public/a', value: '1' });
    const alice = new WireClient(etcd.endpoints[0]!);
    alice.token = await login('alice', 'wonder');
    expect((await alice.range({ key: 'public/', rangeEnd: 'public0' })).kvs).toHaveLength(1);
    const denied = '7 PERMISSION_DENIED: etcdserver: permission denied';
    await expect(alice.range({ key: 'private' })).rejects.toThrow(denied);
    await expect(alice.put({ key: 'public/a', value: '2' })).rejects.toThrow(denied);
    alice.close();
  });
});
