import 'reflect-metadata';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Controller, Inject, Injectable, Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientsModule,
  GrpcMethod,
  Transport,
  type ClientGrpc,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { InjectPinoLogger, PinoLogger } from 'nestjs-pino';
import { firstValueFrom, type Observable } from 'rxjs';
import { ClogService, CoordService, coordGrpc, currentLock, ImInfraModule, WithLock } from 'im-infra';
import { startEtcd } from 'im-infra/testing';

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
      providers: [Counter],
    };
  }
}

function check(what: string, holds: boolean): void {
  if (!holds) throw new Error(`does not hold: ${what}`);
  process.stdout.write(`  ok ${what}\n`);
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
    { transport: Transport.GRPC, options: { ...proto, url: `127.0.0.1:${port}` }, bufferLogs: true },
  );
  server.useLogger(server.get(ClogService));
  await server.listen();

  const client = await NestFactory.createApplicationContext(ClientModule.at([...etcd.endpoints], log), {
    bufferLogs: true,
  });
  client.useLogger(client.get(ClogService));
  const coord = client.get(CoordService);

  await firstValueFrom(coord.status$);
  while ((await coord.registry.discover('greeter')).length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  check('a service registers itself once its port answers', true);

  const greeter = client.get<ClientGrpc>('GREETER').getService<Greeter>('Greeter');
  const reply = await firstValueFrom(greeter.greet({ name: 'Ada' }));
  check('a call goes through coord:///greeter', reply.text === 'Hello Ada');

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

  const lines = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const greeting = lines.find((line) => line['msg'] === 'greeting');
  check(
    'a log line is JSON with service, namespace and fields',
    greeting?.['service'] === 'greeter' && greeting['namespace'] === 'greeter' && greeting['name'] === 'Ada',
  );
  check(
    'PinoLogger of nestjs-pino writes to the same place',
    lines.some((line) => line['msg'] === 'a line of nestjs-pino'),
  );
  rmSync(folder, { recursive: true });
}
