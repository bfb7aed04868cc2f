import 'reflect-metadata';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Controller, Get, Inject, Injectable, Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientsModule,
  GrpcMethod,
  Transport,
  type ClientGrpc,
  type ClientGrpcProxy,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { InjectPinoLogger, PinoLogger } from 'nestjs-pino';
import { firstValueFrom, type Observable } from 'rxjs';
import {
  ClogService,
  CoordService,
  coordGrpc,
  currentLock,
  ImInfraModule,
  InjectClog,
  withGrpcTrace,
  WithLock,
} from 'im-infra';
import { startEtcd } from 'im-infra/testing';
import { check } from './check.js';
import { checkLines, TRACE } from './lines.js';

interface Greeter {
  greet(request: { name: string }): Observable<{ text: string }>;
}

const proto = { package: 'smoke.v1', protoPath: join(process.cwd(), 'proto/greeter.proto') };

@Controller()
class GreeterController {
  constructor(
    @Inject(ClogService) private readonly clog: ClogService,
    @InjectPinoLogger(GreeterController.name) private readonly pino: PinoLogger,
  ) {}

  @GrpcMethod('Greeter', 'Greet')
  greet({ name }: { name: string }): { text: string } {
    this.clog.namespace('greeter').info('greeting', { name });
    this.pino.info('a line of nestjs-pino');
    return { text: `Hello ${name}` };
  }
}

@Controller()
class GatewayController {
  readonly #greeter: Greeter;

  constructor(
    @Inject('GREETER') client: ClientGrpc,
    @InjectClog('gateway') private readonly clog: ClogService,
    @InjectPinoLogger('Gateway') private readonly pino: PinoLogger,
  ) {
    this.#greeter = client.getService<Greeter>('Greeter');
  }

  @Get('greet')
  async greet(): Promise<string> {
    this.clog.info('asked');
    this.pino.info('asked, says nestjs-pino');
    return (await firstValueFrom(this.#greeter.greet({ name: 'Grace' }))).text;
  }
}

@Injectable()
class Counter {
  value = 0;
  readonly tokens: bigint[] = [];

  /** Read, wait, write: exact only if no two of them run at the same time. */
  @WithLock('counter:{0}')
  async increment(name: string): Promise<string> {
    const before = this.value;
    await new Promise((resolve) => setTimeout(resolve, 2));
    this.value = before + 1;
    this.tokens.push(currentLock()?.fencingToken ?? 0n);
    return name;
  }
}

@Module({})
class ServerModule {
  static at(endpoints: string[], port: number, log: string): DynamicModule {
    return {
      module: ServerModule,
      imports: [
        ImInfraModule.forRoot({
          service: { name: 'greeter' },
          clog: { format: 'json', output: log },
          coord: { endpoints },
          register: { port, address: '127.0.0.1' },
        }),
      ],
      controllers: [GreeterController],
    };
  }
}

@Module({})
class ClientModule {
  static at(endpoints: string[], log: string): DynamicModule {
    return {
      module: ClientModule,
      imports: [
        ImInfraModule.forRootAsync({
          useFactory: () => ({
            service: { name: 'client' },
            clog: { format: 'json' as const, output: log },
            coord: { endpoints },
          }),
        }),
        ClientsModule.register([{ name: 'GREETER', ...coordGrpc('greeter', proto) }]),
      ],
      controllers: [GatewayController],
      providers: [Counter],
    };
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A server and a client application on one etcd: log, lock, find each other, call. Throws at the first that fails. */
export async function smoke(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'im-infra-smoke-'));
  const log = join(folder, 'app.log');
  const etcd = await startEtcd();
  const port = await freePort();

  const server = await NestFactory.createMicroservice<MicroserviceOptions>(
    ServerModule.at([...etcd.endpoints], port, log),
    {
      ...withGrpcTrace({ transport: Transport.GRPC, options: { ...proto, url: `127.0.0.1:${port}` } }),
      bufferLogs: true,
    },
  );
  server.useLogger(server.get(ClogService));
  await server.listen();

  const client = await NestFactory.create(ClientModule.at([...etcd.endpoints], log), { bufferLogs: true });
  client.useLogger(client.get(ClogService));
  await client.listen(0, '127.0.0.1');
  const coord = client.get(CoordService);

  await firstValueFrom(coord.status$);
  while ((await coord.registry.discover('greeter')).length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  check('a service registers itself once its port answers', true);

  const proxy = client.get<ClientGrpcProxy>('GREETER');
  // What etcd has, the client hears a moment later.
  await coord.registry.warmup(proxy);
  const greeter = proxy.getService<Greeter>('Greeter');
  const reply = await firstValueFrom(greeter.greet({ name: 'Ada' }));
  check('a call goes through coord:///greeter', reply.text === 'Hello Ada');

  const response = await fetch(`${await client.getUrl()}/greet`, {
    headers: { traceparent: `00-${TRACE}-b7ad6b7169203331-01` },
  });
  check('an HTTP request goes on as a gRPC call', (await response.text()) === 'Hello Grace');

  const counter = client.get(Counter);
  await Promise.all(Array.from({ length: 20 }, () => counter.increment('a')));
  check('@WithLock() lets one in at a time', counter.value === 20);
  check(
    'fencing tokens rise',
    counter.tokens.every((token, index) => index === 0 || token > (counter.tokens[index - 1] ?? 0n)),
  );

  await coord.config.set('greeting', { text: 'Hello' });
  check(
    'a value set is the value read',
    (await coord.config.get<{ text: string }>('greeting')).text === 'Hello',
  );

  await client.close();
  await server.close();
  await etcd.stop();

  checkLines(readFileSync(log, 'utf8'));
  rmSync(folder, { recursive: true });
}
