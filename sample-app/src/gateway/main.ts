import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { ClogService } from 'im-infra';
import { followParent } from '../shared/follow-parent.js';
import { readSettings } from '../shared/settings.js';
import { GatewayModule } from './gateway.module.js';
import { GrpcFailureFilter } from './grpc-failure.filter.js';

followParent();
const { port } = readSettings('gateway');
const app = await NestFactory.create(GatewayModule, { bufferLogs: true });
app.useLogger(app.get(ClogService));
app.useGlobalFilters(new GrpcFailureFilter());
app.enableShutdownHooks([], { useProcessExit: true });
await app.listen(port, '127.0.0.1');
