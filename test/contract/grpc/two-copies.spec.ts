import { createRequire } from 'node:module';
import * as ours from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ClientGrpcProxy } from '@nestjs/microservices';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connection } from '../../../lib/coord/grpc/client-options.js';
import { coordGrpc } from '../../../lib/coord/grpc/coord-grpc.js';
import { GrpcCopyError } from '../../../lib/coord/grpc/grpc-copy.error.js';
import { ECHO_PROTO, EchoClient, EchoServer, say } from '../../support/grpc/echo-server.js';
import { FakeRegistry } from '../../support/grpc/fake-registry.js';

const load = createRequire(import.meta.url);

/** grpc-js as it is loaded when npm has installed it twice: the same code, other classes. */
function secondCopy(): typeof ours {
  const kept = Object.entries(load.cache).filter(([file]) => file.includes('/@grpc/grpc-js/'));
  for (const [file] of kept) delete load.cache[file];
  try {
    return load('@grpc/grpc-js') as typeof ours;
  } finally {
    for (const file of Object.keys(load.cache)) if (file.includes('/@grpc/grpc-js/')) delete load.cache[file];
    for (const [file, module] of kept) load.cache[file] = module;
  }
}

describe('a process with two copies of grpc-js', () => {
  let registry: FakeRegistry;
  let server: EchoServer;
  const foreign = secondCopy();
  const { echo } = foreign.loadPackageDefinition(loadSync(ECHO_PROTO)) as unknown as {
    readonly echo: { readonly Echo: ours.ServiceClientConstructor };
  };

  beforeEach(async () => {
    registry = new FakeRegistry();
    server = await EchoServer.start('a');
    registry.add('a', server.port);
  });

  afterEach(() => {
    server.kill();
    registry.close();
  });

  it('is told so when a client of the other copy is made, and what to do', () => {
    const { target, channelOptions } = connection('echo', {}, {}, [], registry);
    expect(foreign.Client).not.toBe(ours.Client);
    const make = (): unknown => new echo.Echo(target, foreign.credentials.createInsecure(), channelOptions);
    expect(make).toThrow(GrpcCopyError);
    expect(make).toThrow('npm ls @grpc/grpc-js');
  });

  it("is told so by Nest's client when its service is asked for", () => {
    // As if Nest had found the other copy.
    const credentials = foreign.credentials.createInsecure();
    const options = { package: 'echo', protoPath: ECHO_PROTO, credentials };
    const proxy = new ClientGrpcProxy(coordGrpc('echo', options).options);
    (proxy as unknown as { grpcClients: unknown[] }).grpcClients = [{ Echo: echo.Echo }];
    expect(() => proxy.getService('Echo')).toThrow(GrpcCopyError);
  });

  it('costs clients of the right copy nothing: they share connections, and may bring a channel or a factory', async () => {
    const made: string[] = [];
    const factory = (target: string, creds: ours.ChannelCredentials, options: object): ours.Channel => {
      made.push(target);
      return new ours.Channel(target, creds, options);
    };
    const insecure = ours.credentials.createInsecure();
    const clients = [{}, { channelFactoryOverride: factory }].map((given) => {
      const { target, channelOptions } = connection('echo', {}, given, [], registry);
      return new EchoClient(target, insecure, channelOptions);
    });
    const { target, channelOptions } = connection('echo', {}, {}, [], registry);
    const channelOverride = clients[0]!.getChannel();
    clients.push(new EchoClient(target, insecure, { ...channelOptions, channelOverride }));
    for (const client of clients) expect(await say(client)).toBe('a');
    expect(made).toEqual(['coord:///echo']);
    expect(server.peers.size).toBe(1);
    for (const client of clients) client.close();
  });
});
