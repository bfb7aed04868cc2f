import { type DynamicModule, Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Client, type ClientGrpc, ClientProxyFactory, ClientsModule } from '@nestjs/microservices';
import { type Observable, firstValueFrom } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { coordGrpc } from '../../../lib/coord/grpc/coord-grpc.js';
import { runWithTrace } from '../../../lib/trace/trace-store.js';
import { type Answer, ECHO_PROTO, EchoServer, type Words } from '../../support/grpc/echo-server.js';
import { FakeRegistry } from '../../support/grpc/fake-registry.js';

interface Echo {
  say(words: Words): Observable<Answer>;
}

const OPTIONS = coordGrpc('echo', { package: 'echo', protoPath: ECHO_PROTO });

@Injectable()
class Greeter implements OnModuleInit {
  @Client(OPTIONS) readonly decorated!: ClientGrpc;
  #registered!: Echo;
  #async!: Echo;

  constructor(
    @Inject('REGISTERED') private readonly registered: ClientGrpc,
    @Inject('ASYNC') private readonly async: ClientGrpc,
  ) {}

  onModuleInit(): void {
    this.#registered = this.registered.getService<Echo>('Echo');
    this.#async = this.async.getService<Echo>('Echo');
  }

  async ask(): Promise<string[]> {
    const all = [this.#registered, this.#async, this.decorated.getService<Echo>('Echo')];
    const answers = await Promise.all(all.map((echo) => firstValueFrom(echo.say({ text: 'hi' }))));
    return answers.map(({ server }) => server);
  }
}

/** A module for one application: `ClientsModule.register()` makes its client at once, and closes it with the application. */
function greeterModule(): DynamicModule {
  return {
    module: class GreeterModule {},
    imports: [
      ClientsModule.register([{ name: 'REGISTERED', ...OPTIONS }]),
      ClientsModule.registerAsync([{ name: 'ASYNC', useFactory: () => OPTIONS }]),
    ],
    providers: [Greeter],
  };
}

describe("Nest's own client proxies", () => {
  let registry: FakeRegistry;
  let server: EchoServer;

  beforeEach(async () => {
    registry = new FakeRegistry();
    server = await EchoServer.start('a');
    registry.add('a', server.port);
  });

  afterEach(() => {
    server.kill();
    registry.close();
  });

  it('find instances through ClientsModule.register(), registerAsync() and @Client(), on one connection', async () => {
    const app = await NestFactory.createMicroservice(greeterModule(), { logger: false });
    await app.init();
    expect(await app.get(Greeter).ask()).toEqual(['a', 'a', 'a']);
    expect(server.peers.size).toBe(1);
    await app.close();
  });

  it('are refused when a url with another scheme takes the place of theirs', () => {
    const { transport, options } = OPTIONS;
    const proxy = ClientProxyFactory.create({ transport, options: { ...options, url: 'etcd:///echo' } });
    expect(() => proxy.getService('Echo')).toThrow('target takes coord:///<service>, or another scheme');
  });

  it('carry the trace of the caller', async () => {
    const app = await NestFactory.createMicroservice(greeterModule(), { logger: false });
    await app.init();
    await runWithTrace('4bf92f3577b34da6a3ce929d0e0e4736', () => app.get(Greeter).ask());
    expect(server.traceparents.every((header) => header.includes('4bf92f3577b34da6a3ce929d0e0e4736'))).toBe(
      true,
    );
    expect(server.traceparents).toHaveLength(3);
    await app.close();
  });
});
