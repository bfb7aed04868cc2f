import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type GrpcOptions, Transport } from '@nestjs/microservices';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ClogService } from '../../../lib/clog/clog.service.js';
import { ImInfraModule } from '../../../lib/im-infra.module.js';
import { EmbeddedEtcd } from '../../../lib/testing/index.js';
import { freePorts } from '../../../lib/testing/free-port.js';
import { ECHO_PROTO } from '../../support/grpc/echo-server.js';

describe('an application that publishes a gRPC server', () => {
  let etcd: EmbeddedEtcd;
  let dir: string;
  let port: number;
  let app: INestApplicationContext | undefined;

  beforeAll(async () => {
    etcd = await EmbeddedEtcd.start();
  });

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'im-infra-abrupt-'));
    [port] = (await freePorts(1)) as [number];
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await rm(dir, { recursive: true });
  });

  afterAll(() => etcd.stop());

  const root = (published = port) =>
    ImInfraModule.forRoot({
      service: { name: 'echo' },
      clog: { format: 'json', output: join(dir, 'log'), watch: false },
      coord: { endpoints: [etcd.endpoint] },
      register: { port: published, address: '127.0.0.1', drainDelay: 0 },
    });
  const server = (gracefulShutdown?: boolean): GrpcOptions => ({
    transport: Transport.GRPC,
    options: {
      package: 'echo',
      protoPath: ECHO_PROTO,
      url: `127.0.0.1:${port}`,
      ...(gracefulShutdown !== undefined && { gracefulShutdown }),
    },
  });

  async function warnings(): Promise<unknown[]> {
    await app?.get(ClogService).flush();
    const lines = (await readFile(join(dir, 'log'), 'utf8')).split('\n').filter(Boolean);
    return lines
      .map((line) => JSON.parse(line) as { level: string; msg: string; port?: number })
      .filter(({ level, msg }) => level === 'warn' && msg.includes('gracefulShutdown: true'))
      .map(({ port: warned }) => warned);
  }

  it('is warned at boot of a microservice that will cut running calls when it stops', async () => {
    const service = await NestFactory.createMicroservice(root(), { ...server(), logger: false });
    app = service;
    await service.listen();
    expect(await warnings()).toEqual([port]);
  });

  it('is warned in a hybrid application too', async () => {
    const hybrid = await NestFactory.create(root(), { logger: false });
    app = hybrid;
    hybrid.connectMicroservice(server(false));
    await hybrid.startAllMicroservices();
    await hybrid.init();
    expect(await warnings()).toEqual([port]);
  });

  it('is not warned of a graceful server, nor of one on a port that is not published', async () => {
    const service = await NestFactory.createMicroservice(root(), { ...server(true), logger: false });
    app = service;
    await service.listen();
    expect(await warnings()).toEqual([]);
    await service.close();
    const other = await NestFactory.createMicroservice(root(port + 1), { ...server(), logger: false });
    app = other;
    await other.listen();
    expect(await warnings()).toEqual([]);
  });
});
