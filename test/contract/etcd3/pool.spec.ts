import { Etcd3 } from 'etcd3';
import { expect, it } from 'vitest';
import { methodOf, poolOf } from '../../../lib/coord/etcd/rpc.js';

it('has a service client for each server, which closes at once, and metadata without asking etcd', async () => {
  const etcd3 = new Etcd3({ hosts: 'http://127.0.0.1:1' });
  const { hosts, authenticator } = poolOf(etcd3);
  expect(hosts).toHaveLength(1);
  const metadata = await authenticator.getMetadata();
  expect(metadata.set).toBeTypeOf('function');
  for (const service of ['KV', 'Lease', 'Watch', 'Auth', 'Maintenance']) {
    const client = hosts[0].getServiceClient(service);
    expect(client.makeBidiStreamRequest).toBeTypeOf('function');
    expect(client.getChannel().createCall).toBeTypeOf('function');
    expect(hosts[0].cachedServices[service]).toBe(client);
    client.close();
  }
  etcd3.close();
});

it('tells how the methods are called that have no messages of our own', () => {
  const etcd3 = new Etcd3({ hosts: 'http://127.0.0.1:1' });
  const { hosts } = poolOf(etcd3);
  const lease = methodOf(hosts[0].getServiceClient('Lease'), 'leaseGrant');
  expect(lease.path).toBe('/etcdserverpb.Lease/LeaseGrant');
  // Field 1, the TTL, as a number; and an answer with field 2, the id of the lease.
  expect(lease.requestSerialize({ TTL: 5 })).toEqual(Buffer.from([0x08, 5]));
  expect(lease.responseDeserialize(Buffer.from([0x10, 7]))).toMatchObject({ ID: '7' });
  etcd3.close();
});
