import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { resolveCoordOptions } from '../../lib/coord/coord.options.js';
import { CoordService } from '../../lib/coord/coord.service.js';
import { EtcdClient } from '../../lib/coord/etcd/etcd.client.js';
import { prefixRange } from '../../lib/coord/etcd/kv.js';
import { EmbeddedEtcd } from '../../lib/testing/index.js';
import { freePorts } from '../../lib/testing/free-port.js';
import { until } from '../support/until.js';
import { TriedApp } from './tried-app.js';

async function registered(endpoint: string): Promise<string[]> {
  const client = EtcdClient.create(resolveCoordOptions({ endpoints: [endpoint] }).etcd);
  try {
    return (await client.range(prefixRange('/services/'))).kvs.map(({ key }) => key);
  } finally {
    await client.close();
  }
}

describe('an etcd that cannot be reached', () => {
  it('fails the start within dialTimeout, names the endpoints and leaves nothing behind', async () => {
    const [port = 0] = await freePorts(1);
    const app = new TriedApp({ endpoints: [`127.0.0.1:${port}`], coord: { dialTimeout: '1s' } });
    const failure = await app.says('failed');
    expect(failure).toMatchObject({ code: 'COORD_UNAVAILABLE', name: 'CoordUnavailableError' });
    expect(failure['message']).toContain(`127.0.0.1:${port}`);
    expect(failure['ms']).toBeLessThan(3_000);
    const from = performance.now();
    expect((await app.process.ended).code).toBe(0);
    expect(performance.now() - from).toBeLessThan(2_000);
  });

  it('fails in the same way when the endpoint takes connections and never answers', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => void silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const app = new TriedApp({ endpoints: [`127.0.0.1:${port}`], coord: { dialTimeout: '1s' } });
    const failure = await app.says('failed');
    expect(failure).toMatchObject({ code: 'COORD_UNAVAILABLE' });
    expect(failure['ms']).toBeLessThan(3_000);
    expect((await app.process.ended).code).toBe(0);
    silent.close();
  });

  it('does not stop an application for which it is optional: that one recovers by itself and registers', async () => {
    const [etcdPort = 0, port = 0] = await freePorts(2);
    const app = new TriedApp({
      endpoints: [`127.0.0.1:${etcdPort}`],
      coord: { optional: true, dialTimeout: '1s' },
      port,
    });
    await app.says('up');
    const etcd = await EmbeddedEtcd.start({ port: etcdPort });
    await app.says('status', '"ready"');
    await vi.waitFor(
      async () => expect(await registered(etcd.endpoint)).toEqual(['/services/tried/tried-1']),
      15_000,
    );
    expect((await app.close()).code).toBe(0);
    expect(await registered(etcd.endpoint)).toEqual([]);
    await etcd.stop();
  });
});

/** What has been published as `tried` since this was called, in order, whether or not it is still there. */
async function published(endpoint: string): Promise<() => Promise<string[]>> {
  const service = { name: 'observer' };
  const coord = await CoordService.connect({ service, endpoints: [endpoint] });
  const ids: string[] = [];
  coord.registry.events('tried').subscribe(({ type, service: { id } }) => ids.push(`${type} ${id}`));
  await coord.registry.discover('tried');
  return async () => {
    // Events come in their order: behind this one nothing is on its way.
    await coord.registry.register({ name: 'tried', id: 'last', address: '127.0.0.1', port: 1 });
    await until(() => ids.includes('PUT last'));
    await coord.close();
    return ids.filter((id) => !id.endsWith(' last'));
  };
}

describe('a start that fails for another reason', () => {
  let etcd: EmbeddedEtcd;
  beforeAll(async () => {
    etcd = await EmbeddedEtcd.start();
  });
  afterAll(() => etcd.stop());

  it.each(['http', 'grpc', 'hybrid'] as const)(
    'a port in use (%s): says which and of what option, ends, and was never registered',
    async (transport) => {
      const taken = createServer((socket) => socket.end());
      await new Promise<void>((resolve) => void taken.listen(0, '127.0.0.1', resolve));
      const { port } = taken.address() as { port: number };
      const seen = await published(etcd.endpoint);
      const app = new TriedApp({
        endpoints: [etcd.endpoint],
        port,
        transport,
        ...(transport !== 'http' && { protoPath: 'test/e2e/fixtures/other.proto' }),
      });
      const failure = await app.says('failed');
      expect(failure['message']).toContain(String(port));
      const { code, output } = await app.process.ended;
      expect(code).toBe(0);
      // A hybrid application's microservice fails before anything is to be published.
      if (transport !== 'hybrid') expect(output).toContain('register.port is in use');
      expect(await seen()).toEqual([]);
      taken.close();
    },
  );

  it.each(['http', 'grpc'] as const)(
    'a proto path that does not exist (%s): names it and ends',
    async (transport) => {
      const [port = 0] = await freePorts(1);
      const protoPath = 'test/e2e/fixtures/no-such.proto';
      const seen = await published(etcd.endpoint);
      const app = new TriedApp({ endpoints: [etcd.endpoint], port, transport, protoPath });
      const failure = await app.says('failed');
      expect(failure['message']).toContain('no-such.proto');
      expect((await app.process.ended).code).toBe(0);
      expect(await seen()).toEqual([]);
    },
  );
});

describe('a start that goes well', () => {
  it.each(['http', 'grpc', 'hybrid'] as const)(
    'is published once its port is open (%s)',
    async (transport) => {
      const etcd = await EmbeddedEtcd.start();
      const [port = 0] = await freePorts(1);
      const protoPath = 'test/e2e/fixtures/other.proto';
      const app = new TriedApp({ endpoints: [etcd.endpoint], port, transport, protoPath });
      await app.says('up');
      await until(async () => (await registered(etcd.endpoint)).includes('/services/tried/tried-1'));
      expect((await app.close()).code).toBe(0);
      expect(await registered(etcd.endpoint)).toEqual([]);
      await etcd.stop();
    },
  );
});
