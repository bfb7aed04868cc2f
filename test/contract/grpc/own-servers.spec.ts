import cluster from 'node:cluster';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { OwnServers } from '../../../lib/coord/registry/own-servers.js';
import { freePorts } from '../../../lib/testing/free-port.js';
import { EchoServer } from '../../support/grpc/echo-server.js';

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

const listen = async (server: Server, port = 0): Promise<number> => {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return portOf(server);
};

describe("Node's word on the servers of this process", () => {
  let own: OwnServers | undefined;
  afterEach(() => own?.close());

  it.each([
    ['net', () => createServer()],
    ['http', () => createHttpServer()],
    ['http2', () => createHttp2Server() as unknown as Server],
  ])('knows a server of %s while it listens', async (_, create) => {
    own = new OwnServers();
    const server = create();
    const port = await listen(server);
    expect(own.listenOn(port)).toBe(true);
    server.close();
    await once(server, 'close');
    expect(own.listenOn(port)).toBe(false);
  });

  it('knows one of grpc-js', async () => {
    own = new OwnServers();
    const server = await EchoServer.start('a');
    expect(own.listenOn(server.port)).toBe(true);
    server.kill();
    expect(own.listenOn(server.port)).toBe(false);
  });

  it('knows one that listened before', async () => {
    const server = createServer();
    const port = await listen(server);
    own = new OwnServers();
    expect(own.listenOn(port)).toBe(true);
    server.close();
  });

  it('knows one whose port the primary process of a cluster holds', async () => {
    const [port = 0] = await freePorts(1);
    cluster.setupPrimary({ exec: 'test/contract/grpc/own-servers.worker.mjs', args: [String(port)] });
    const worker = cluster.fork();
    const [says] = (await once(worker, 'message')) as [unknown];
    expect(says).toEqual({ listens: true, port });
    worker.kill();
    await once(worker, 'exit');
  });

  it('tells of a port that somebody else has', async () => {
    const first = createServer();
    const port = await listen(first);
    own = new OwnServers();
    const taken: number[] = [];
    own.onTaken((each) => taken.push(each));
    const second = createServer().listen(port, '127.0.0.1');
    await once(second, 'error');
    expect(taken).toEqual([port]);
    first.close();
  });

  it('hears nothing any more once it is closed', async () => {
    own = new OwnServers();
    own.close();
    const server = createServer();
    expect(own.listenOn(await listen(server))).toBe(false);
    server.close();
  });
});
