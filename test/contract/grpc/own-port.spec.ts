import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ownPortServes } from '../../../lib/coord/grpc/own-port.js';
import { EchoServer } from '../../support/grpc/echo-server.js';

const listen = (server: ReturnType<typeof createServer>): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });

describe('the look at the own port', () => {
  it('waits for a gRPC server to say that it serves', async () => {
    const server = await EchoServer.start('a', { health: true });
    if (server.health) server.health.setStatus('', 'NOT_SERVING');
    expect(await ownPortServes('127.0.0.1', server.port)).toBe(false);
    if (server.health) server.health.setStatus('', 'SERVING');
    expect(await ownPortServes('127.0.0.1', server.port)).toBe(true);
    server.kill();
    expect(await ownPortServes('127.0.0.1', server.port)).toBe(false);
  });

  it('is content with a gRPC server without the health service, an HTTP server and a silent one', async () => {
    const plain = await EchoServer.start('a');
    expect(await ownPortServes('127.0.0.1', plain.port)).toBe(true);
    plain.kill();
    const http = createHttpServer((_request, response) => response.end());
    expect(await ownPortServes('127.0.0.1', await listen(http))).toBe(true);
    http.close();
    const silent = createServer();
    expect(await ownPortServes('127.0.0.1', await listen(silent))).toBe(true);
    silent.close();
  });
});
