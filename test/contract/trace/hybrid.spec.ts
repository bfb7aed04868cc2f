import 'reflect-metadata';
import type { AddressInfo, Server } from 'node:net';
import {
  type CanActivate,
  Controller,
  Get,
  Inject,
  Injectable,
  Logger,
  Module,
  UseGuards,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientProxyFactory,
  Ctx,
  MessagePattern,
  Payload,
  type TcpContext,
  Transport,
} from '@nestjs/microservices';
import { firstValueFrom, of } from 'rxjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { INestApplication } from '@nestjs/common';
import { ClogModule } from '../../../lib/clog/clog.module.js';
import { ClogService } from '../../../lib/clog/clog.service.js';
import { observeClog, type ObservedClog } from '../../../lib/testing/observe-clog.js';
import { hasPreRequestHooks, traceRpc } from '../../../lib/trace/rpc.hook.js';
import { rpcHeaders } from '../../../lib/trace/rpc.carrier.js';
import { currentTraceId } from '../../../lib/trace/trace-store.js';

@Injectable()
class Guard implements CanActivate {
  constructor(@Inject(ClogService) private readonly clog: ClogService) {}

  canActivate(): boolean {
    this.clog.info('guard');
    return true;
  }
}

@UseGuards(Guard)
@Controller()
class HybridController {
  constructor(@Inject(ClogService) private readonly clog: ClogService) {}

  @Get('/http')
  http(): string {
    return currentTraceId() ?? 'none';
  }

  @MessagePattern('sum')
  async sum(@Payload() numbers: number[], @Ctx() _context: TcpContext): Promise<string> {
    await new Promise(setImmediate);
    this.clog.info('handler', { numbers });
    return currentTraceId() ?? 'none';
  }
}

@Module({
  imports: [
    ClogModule.forOptions({
      useFactory: () => ({ service: { name: 'hybrid' }, output: '/dev/null', format: 'json' }),
    }),
  ],
  controllers: [HybridController],
  providers: [Guard],
})
class HybridModule {}

let app: INestApplication;
let logs: ObservedClog;
let port = 0;

beforeAll(async () => {
  app = await NestFactory.create(HybridModule, { logger: false });
  logs = observeClog(app.get(ClogService));
  const tcp = app.connectMicroservice(
    { transport: Transport.TCP, options: { host: '127.0.0.1', port: 0 } },
    { inheritAppConfig: true },
  );
  await app.startAllMicroservices();
  ({ port } = tcp.unwrap<Server>().address() as AddressInfo);
  await app.listen(0, '127.0.0.1');
});

afterAll(async () => {
  await app.close();
  Logger.overrideLogger(false);
});

it('gives each message of a transport without headers a trace of its own, and HTTP beside it', async () => {
  const client = ClientProxyFactory.create({
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port },
  });
  const [first, second] = await Promise.all(
    [1, 2].map((n) => firstValueFrom(client.send<string>('sum', [n]))),
  );
  client.close();
  expect(first).toMatch(/^[0-9a-f]{32}$/);
  expect(second).not.toBe(first);
  const handlers = logs.filter(({ msg }) => msg === 'handler').all();
  expect(new Set(handlers.map(({ trace_id }) => trace_id))).toEqual(new Set([first, second]));
  // Before Nest 12 there are no hooks, and guards run before interceptors.
  const guards = logs.filter(({ msg }) => msg === 'guard').all();
  expect(guards.every(({ trace_id }) => (trace_id !== undefined) === hasPreRequestHooks())).toBe(true);
  const response = await fetch(`${await app.getUrl()}/http`, { headers: { 'x-trace-id': 'job-42' } });
  expect(await response.text()).toBe('job-42');
});

it('reads the headers of NATS, Kafka, RabbitMQ and MQTT messages', () => {
  const natsHeaders = new Map([['traceparent', 'nats']]);
  const contexts: [string, unknown][] = [
    ['grpc', new Map([['traceparent', ['grpc']]])],
    ['nats', { getHeaders: () => natsHeaders }],
    ['kafka', { getMessage: () => ({ headers: { traceparent: Buffer.from('kafka') } }) }],
    ['rabbit', { getMessage: () => ({ properties: { headers: { traceparent: 'rabbit' } } }) }],
    ['mqtt', { getPacket: () => ({ properties: { userProperties: { traceparent: ['mqtt'] } } }) }],
  ];
  for (const [name, each] of contexts) expect(rpcHeaders(each)('traceparent')).toBe(name);
  const without: unknown[] = [
    undefined,
    null,
    7,
    {},
    { getHeaders: () => '' },
    { get: () => expect.fail('no such header') },
    {
      getMessage() {
        throw new Error('no message');
      },
    },
  ];
  for (const each of without) expect(rpcHeaders(each)('traceparent')).toBeUndefined();
});

it('leaves contexts that are not messages alone', async () => {
  const http = { getType: () => 'http' } as unknown as Parameters<typeof traceRpc>[0];
  expect(await firstValueFrom(traceRpc(http, () => of(currentTraceId())))).toBeUndefined();
});
