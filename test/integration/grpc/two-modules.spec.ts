import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientProxyFactory, type ClientGrpcProxy } from '@nestjs/microservices';
import { type Observable, firstValueFrom } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoordService } from '../../../lib/coord/coord.service.js';
import { coordGrpc } from '../../../lib/coord/grpc/coord-grpc.js';
import { ImInfraModule } from '../../../lib/im-infra.module.js';
import { EmbeddedEtcd } from '../../../lib/testing/index.js';
import { type Answer, ECHO_PROTO, EchoServer } from '../../support/grpc/echo-server.js';

const PROTO = { package: 'echo', protoPath: ECHO_PROTO };
const NAMES = ['shop', 'bank'] as const;

describe('two applications in one process, each with the module on an etcd of its own', () => {
  let etcds: EmbeddedEtcd[];
  let servers: EchoServer[];
  let apps: INestApplicationContext[];

  beforeEach(async () => {
    etcds = await Promise.all(NAMES.map(() => EmbeddedEtcd.start()));
    servers = await Promise.all(NAMES.map((name) => EchoServer.start(`of-${name}`)));
    apps = await Promise.all(
      NAMES.map((name, index) =>
        NestFactory.createApplicationContext(
          ImInfraModule.forRoot({
            service: { name },
            clog: { level: 'fatal', watch: false },
            coord: { endpoints: [etcds[index]!.endpoint] },
          }),
          { logger: false },
        ),
      ),
    );
    for (const [index, app] of apps.entries()) {
      const instance = { name: 'echo', address: '127.0.0.1', port: servers[index]!.port };
      await app.get(CoordService).registry.register(instance, { drainDelay: 0 });
    }
  });

  afterEach(async () => {
    await Promise.all(apps.map((app) => app.close()));
    for (const server of servers) server.kill();
    await Promise.all(etcds.map((etcd) => etcd.stop()));
  });

  const ask = async (proxy: ClientGrpcProxy): Promise<string> => {
    const echo = proxy.getService<{ say(words: object): Observable<Answer> }>('Echo');
    return (await firstValueFrom(echo.say({}))).server;
  };

  it('each keep their own instances, and close without touching the other', async () => {
    const registries = apps.map((app) => app.get(CoordService).registry);
    const bound = registries.map((registry) => registry.clientProxy('echo', PROTO));
    expect([await ask(bound[0]!), await ask(bound[1]!)]).toEqual(['of-shop', 'of-bank']);

    const named = NAMES.map((registry) =>
      ClientProxyFactory.create(coordGrpc('echo', { ...PROTO, registry })),
    );
    expect([await ask(named[0]!), await ask(named[1]!)]).toEqual(['of-shop', 'of-bank']);
    const vague = ClientProxyFactory.create(coordGrpc('echo', { ...PROTO, resolveTimeout: 100 }));
    await expect(ask(vague)).rejects.toThrow('name one with the option registry');

    await apps[0]!.close();
    expect([await ask(bound[1]!), await ask(named[1]!)]).toEqual(['of-bank', 'of-bank']);
    expect(await registries[1]!.discover('echo')).toHaveLength(1);
    for (const proxy of [...named, vague]) proxy.close();
  });
});
