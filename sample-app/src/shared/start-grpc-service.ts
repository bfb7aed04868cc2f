import { type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type GrpcOptions, Transport } from '@nestjs/microservices';
import { ClogService, withGrpcTrace } from 'im-infra';
import { followParent } from './follow-parent.js';
import { readSettings } from './settings.js';

/** A gRPC service as Nest starts one; im-infra registers it when its port answers and takes it out when it stops. */
export async function startGrpcService(
  name: string,
  module: Type,
  proto: Pick<GrpcOptions['options'], 'package' | 'protoPath' | 'loader'>,
): Promise<void> {
  followParent();
  const { port } = readSettings(name);
  const grpc = withGrpcTrace<GrpcOptions>({
    transport: Transport.GRPC,
    options: { ...proto, url: `127.0.0.1:${port}`, gracefulShutdown: true },
  });
  const app = await NestFactory.createMicroservice<GrpcOptions>(module, { ...grpc, bufferLogs: true });
  app.useLogger(app.get(ClogService));
  app.enableShutdownHooks([], { useProcessExit: true });
  await app.listen();
}
