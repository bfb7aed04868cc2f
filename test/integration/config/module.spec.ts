import 'reflect-metadata';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import {
  ClogService,
  CoordService,
  defineConfig,
  ImInfraModule,
  InjectConfig,
  type LiveConfig,
  OnConfigChange,
  secret,
} from '../../../lib/index.js';
import { type EtcdUnderTest, etcdKinds, startEtcdOf } from '../etcd-kinds.js';
import { ConfigRoom, until } from './config-room.js';

const Login = z.object({ user: z.string(), pass: z.string().transform((text) => secret(text)) });
type Login = z.infer<typeof Login>;
const loginConfig = defineConfig('login', { schema: Login });

@Injectable()
class Session {
  readonly passwords: string[] = [];
  constructor(@InjectConfig(loginConfig) readonly login: LiveConfig<Login>) {}

  @OnConfigChange(loginConfig, { select: ({ pass }) => pass })
  renew({ pass }: Login): void {
    this.passwords.push(pass.reveal());
  }
}

@Module({ imports: [ImInfraModule.forFeature([loginConfig])], providers: [Session] })
class SessionModule {}

describe.each(await etcdKinds())('ImInfraModule with configuration on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let dir: string;
  let other: ConfigRoom;
  let turn = 0;

  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
  });
  afterAll(() => etcd.stop());
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'im-infra-module-'));
    other = new ConfigRoom(etcd.endpoints, { env: `m${++turn}` });
  });
  afterEach(async () => {
    await other.close();
    await rm(dir, { recursive: true });
  });

  const build = () =>
    Test.createTestingModule({
      imports: [
        ImInfraModule.forRoot({
          service: { name: 'orders', env: `m${turn}` },
          clog: { level: 'trace', output: join(dir, 'log') },
          coord: { endpoints: etcd.endpoints, snapshot: { dir: join(dir, 'snapshot') } },
        }),
        SessionModule,
      ],
    }).compile();

  it('injects, reacts, keeps the last good value, and lets no secret into any output', async () => {
    const printed: string[] = [];
    const connect = vi.spyOn(CoordService, 'connect');
    const spies = [process.stdout, process.stderr].map((stream) =>
      vi.spyOn(stream, 'write').mockImplementation((text) => printed.push(String(text)) > 0),
    );
    try {
      await other.config.set('login', { user: 'u', pass: 'hush-canary-1' });
      const app = await (await build()).init();
      app.useLogger(app.get(ClogService));
      const session = app.get(Session);
      const clog = app.get(ClogService);
      expect(session.login.value.pass.reveal()).toBe('hush-canary-1');
      clog.info('login', { login: session.login, value: session.login.value });
      app
        .get(CoordService)
        .config.events('')
        .subscribe((event) => clog.info('event', { event: inspect(event) }));
      await other.config.set('login', { user: 'u', pass: 'hush-canary-2' });
      await until(() => session.passwords.length === 1);
      expect(session.passwords).toEqual(['hush-canary-2']);
      await other.config.set('login', { user: 5, pass: 'hush-canary-3' });
      await until(() => session.login.rejected !== undefined);
      await other.put(`/config/m${turn}/orders/login`, '{"pass":"hush-canary-4');
      await until(() => session.login.rejected?.issues[0]?.message === 'is not JSON');
      expect(session.login.value.pass.reveal()).toBe('hush-canary-2');
      await app.close();
      // A start with the broken value fails, and says which key; not what is in it.
      const failed = (await build().then(
        (module) => module.init(),
        (error: unknown) => error,
      )) as Error;
      expect(failed.message).toContain(`/config/m${turn}/orders/login`);
      printed.push(inspect(failed, { depth: 9, showHidden: true }));
    } finally {
      // Nest gives nobody the parts of an application that it could not start.
      for (const { value } of connect.mock.results) await ((await value) as CoordService).close();
      connect.mockRestore();
      for (const spy of spies) spy.mockRestore();
    }
    for (const folder of [dir, join(dir, 'snapshot')]) {
      for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
        if (!entry.isFile()) continue;
        const text = await readFile(join(folder, entry.name), 'latin1');
        printed.push(text, ...text.split('"').map((part) => Buffer.from(part, 'base64').toString('latin1')));
      }
    }
    const all = printed.join('\n');
    expect(all).toContain('configuration refused');
    expect(all).toContain('[secret]');
    expect(all).not.toContain('hush-canary');
  });
});
