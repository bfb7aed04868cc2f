/**
 * A Nest microservice as users write one: gRPC on a port of its own, published by ImInfraModule, graceful on SIGTERM.
 * Told by the environment: ETCD, SERVICE, ID, PORT, and optionally TTL and HEALTH. Says `up` to its parent once it listens.
 */
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { GrpcMethod, Transport } from '@nestjs/microservices';
import { ImInfraModule } from '../../dist/esm/index.js';
import { ECHO_PROTO } from './echo.mjs';

const { ETCD, SERVICE = 'echo', ID, PORT, TTL = '15s' } = process.env;
const port = Number(PORT);

class EchoController {
  async say({ text, delay }) {
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    return { text, server: ID };
  }
}
Controller()(EchoController);
GrpcMethod('Echo', 'Say')(
  EchoController.prototype,
  'say',
  Object.getOwnPropertyDescriptor(EchoController.prototype, 'say'),
);

class ServerModule {}
Module({
  imports: [
    ImInfraModule.forRoot({
      service: { name: SERVICE, instanceId: ID },
      clog: { format: 'json', output: 'stderr', level: 'error' },
      coord: { endpoints: [ETCD], sessionTtl: TTL },
      register: { port, address: '127.0.0.1' },
    }),
  ],
  controllers: [EchoController],
})(ServerModule);

const app = await NestFactory.createMicroservice(ServerModule, {
  logger: ['error'],
  transport: Transport.GRPC,
  options: { package: 'echo', protoPath: ECHO_PROTO, url: `127.0.0.1:${port}`, gracefulShutdown: true },
});
app.enableShutdownHooks();
await app.listen();
process.send?.('up');
process.on('disconnect', () => process.exit(0)); // never outlive the bench
