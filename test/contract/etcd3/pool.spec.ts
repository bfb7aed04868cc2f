import { Etcd3 } from 'etcd3';
import { expect, it } from 'vitest';
import { poolOf } from '../../../lib/coord/etcd/rpc.js';

it('has a service client for each server, which closes at once, and metadata without asking etcd', async () => {
  const etcd3 = new Etcd3({ hosts: 'http://127.0.0.1:1' });
  const { hosts, authenticator } = poolOf(etcd3);
  expect(hosts).toHaveLength(1);
  const metadata = await authenticator.getMetadata();
  expect(metadata.set).toBeTypeOf('function');
  const ways = ['makeUnaryRequest', 'makeBidiStreamRequest'];
  const services = { KV: ways, Lease: ['leaseGrant', 'leaseRevoke', ...ways], Watch: ways };
  for (const [service, methods] of Object.entries(services)) {
    const client = hosts[0].getServiceClient(service);
    for (const method of methods) expect(client[method]).toBeTypeOf('function');
    expect(hosts[0].cachedServices[service]).toBe(client);
    client.close();
  }
  etcd3.close();
});
