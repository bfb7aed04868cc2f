import { type Client, credentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoordService } from '../../../lib/coord/coord.service.js';
import { EmbeddedEtcd } from '../../../lib/testing/index.js';
import { EchoClient, EchoServer, say } from '../../support/grpc/echo-server.js';
import { until } from '../../support/until.js';

describe('a canary whose share is configuration', () => {
  let etcd: EmbeddedEtcd;
  let coord: CoordService;
  let servers: EchoServer[];
  let client: Client;

  beforeEach(async () => {
    etcd = await EmbeddedEtcd.start();
    coord = await CoordService.connect({ service: { name: 'gateway' }, endpoints: [etcd.endpoint] });
    servers = await Promise.all(['1', '2'].map((version) => EchoServer.start(version)));
    for (const { name: version, port } of servers) {
      const address = '127.0.0.1';
      await coord.registry.register(
        { name: 'echo', address, port, metadata: { version } },
        { drainDelay: 0 },
      );
    }
  });

  afterEach(async () => {
    client.close();
    await coord.close();
    for (const server of servers) server.kill();
    await etcd.stop();
  });

  it('gets the part of the calls that it says now, on the same connections, also after it is gone', async () => {
    await coord.config.set('canary', { share: 0 });
    const live = await coord.config.live<{ share: number }>('canary', {});
    const { target, channelOptions } = coord.registry.getConnection('echo', {
      canary: { version: '2', share: () => live.value.share },
    });
    client = new EchoClient(target, credentials.createInsecure(), channelOptions);
    const versions = async (calls: number): Promise<string> => {
      const seen = new Set<string>();
      for (let call = 0; call < calls; call++) seen.add(await say(client));
      return [...seen].toSorted((a, b) => a.localeCompare(b)).join(' and ');
    };
    await until(async () => (await versions(10)) === '1');
    await coord.config.set('canary', { share: 1 });
    await until(async () => (await versions(10)) === '2');
    await coord.config.set('canary', { share: 0.5 });
    await until(async () => (await versions(20)) === '1 and 2');
    await coord.config.set('canary', { share: 'all' });
    await until(() => (live.value.share as unknown) !== 0.5);
    expect(await versions(30)).toBe('1 and 2');
    expect(servers.map(({ peers }) => peers.size)).toEqual([1, 1]);
  });
});
