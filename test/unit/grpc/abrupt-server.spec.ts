import { Transport } from '@nestjs/microservices';
import { Subject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { warnOfAbruptServers } from '../../../lib/coord/grpc/abrupt-server.js';
import { collectLog } from '../../support/open-client.js';

function warned(port: number, ...servers: unknown[]): number {
  const logger = collectLog();
  const made = new Subject<unknown>();
  warnOfAbruptServers({ getRpcTargetRegistry: () => made }, port, logger);
  for (const server of servers) made.next(server);
  return logger.lines.length;
}

const grpc = (options: object) => ({ transportId: Transport.GRPC, options });

describe('the warning of a gRPC server that cuts running calls', () => {
  it.each([
    ['an abrupt server on the published port', grpc({ url: '0.0.0.0:50051' }), 1],
    ['one that says so', grpc({ url: '[::]:50051', gracefulShutdown: false }), 1],
    ['a graceful server', grpc({ url: '0.0.0.0:50051', gracefulShutdown: true }), 0],
    ['a server on another port', grpc({ url: '0.0.0.0:50052' }), 0],
    ['a server on a socket file', grpc({ url: 'unix:/run/echo.sock' }), 0],
    ['another transport', { transportId: Transport.TCP, options: { url: '0.0.0.0:50051' } }, 0],
    ['a strategy of the application', { listen: () => undefined }, 0],
  ])('for %s', (_, server, lines) => {
    expect(warned(50_051, server)).toBe(lines);
  });

  it("knows the port of Nest's default url", () => {
    expect(warned(5000, grpc({}))).toBe(1);
  });

  it('is not given by a Nest that does not tell of its servers', () => {
    const logger = collectLog();
    warnOfAbruptServers({}, 50_051, logger);
    expect(logger.lines).toEqual([]);
  });
});
