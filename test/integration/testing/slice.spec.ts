import { Etcd3 } from 'etcd3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';

describe.each(await etcdKinds())('etcd3 talks to the %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let client: Etcd3;

  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
    client = new Etcd3({ hosts: etcd.endpoints });
  });

  afterAll(async () => {
    client.close();
    await etcd.stop();
  });

  it('puts, reads back and lists by prefix', async () => {
    await client.put('a/1').value('one');
    await client.put('a/2').value('two');
    expect(await client.get('a/1').string()).toBe('one');
    expect(await client.getAll().prefix('a/').strings()).toEqual({ 'a/1': 'one', 'a/2': 'two' });
  });

  it('runs the branch of a transaction that its comparisons choose', async () => {
    const taken = await client
      .if('a/1', 'Create', '==', 0)
      .then(client.put('a/1').value('again'))
      .else(client.get('a/1'))
      .commit();
    expect(taken.succeeded).toBe(false);
    expect(taken.responses[0]?.response_range?.kvs[0]?.value.toString()).toBe('one');
  });

  it('delivers what happens to a watched prefix', async () => {
    const watcher = await client.watch().prefix('w/').create();
    const event = new Promise<string>((resolve) => {
      watcher.on('put', ({ key, value }) => resolve(`${key.toString()}=${value.toString()}`));
    });
    await client.put('w/x').value('1');
    expect(await event).toBe('w/x=1');
    await watcher.cancel();
  });

  it('deletes the keys of a lease that is revoked', async () => {
    const lease = client.lease(60);
    await lease.put('l/1').value('held');
    await lease.revoke();
    expect(await client.get('l/1').string()).toBeNull();
  });
});
