import 'reflect-metadata';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Controller, Get, Inject, Injectable, Logger, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { INestApplication } from '@nestjs/common';
import { InjectPinoLogger, type PinoLogger } from 'nestjs-pino';
import { afterEach, expect, it } from 'vitest';
import { ClogModule } from '../../../lib/clog/clog.module.js';
import { InjectClog } from '../../../lib/clog/clog.decorator.js';
import { ClogService } from '../../../lib/clog/clog.service.js';
import type { ClogOptions } from '../../../lib/clog/clog.options.js';
import { CLOG_TAP } from '../../../lib/clog/clog.tokens.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const HEADERS = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
type Line = Record<string, unknown>;

@Injectable()
class UserService {
  constructor(
    @InjectClog('user') private readonly clog: ClogService,
    @Inject(ClogService) private readonly root: ClogService,
    @InjectPinoLogger('Users') private readonly pino: PinoLogger,
  ) {}

  async find(): Promise<string> {
    this.clog.info('from clog');
    await new Promise(setImmediate);
    this.pino.assign({ assigned: 1 });
    this.pino.info('from pino');
    this.root.info('from the root');
    return 'found';
  }

  outside(): void {
    this.pino.info('outside');
  }
}

@Controller('users')
class UserController {
  constructor(@Inject(UserService) private readonly users: UserService) {}

  @Get()
  find(): Promise<string> {
    return this.users.find();
  }

  @Get('bad')
  bad(): never {
    throw new TypeError('bad call');
  }
}

function moduleOf(name: string, clog: ClogOptions): Type {
  @Module({
    imports: [ClogModule.forOptions({ useFactory: () => ({ service: { name }, format: 'json', ...clog }) })],
    controllers: [UserController],
    providers: [UserService],
  })
  class AppModule {}
  return AppModule;
}

const apps: INestApplication[] = [];

/** An application that listens, its lines, and how to call it. */
async function start(name: string, clog: ClogOptions = {}) {
  const app = await NestFactory.create(moduleOf(name, { output: '/dev/null', ...clog }), {
    bufferLogs: true,
  });
  apps.push(app);
  const lines: Line[] = [];
  app.get(ClogService)[CLOG_TAP]((line) => lines.push(JSON.parse(line) as Line));
  app.useLogger(app.get(ClogService));
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const call = async (path: string) => (await fetch(`${url}${path}`, { headers: HEADERS })).text();
  return { app, lines, call };
}

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
  Logger.overrideLogger(false);
});

const named = (lines: Line[], msg: string) => lines.find((line) => line['msg'] === msg);

it('gives clog, PinoLogger and the access log one root and the trace of the request', async () => {
  const { lines, call } = await start('user-service');
  expect(await call('/users')).toBe('found');
  await expect.poll(() => named(lines, 'request completed')).toBeDefined();
  for (const msg of ['from clog', 'from pino', 'from the root', 'request completed']) {
    expect(named(lines, msg), msg).toMatchObject({ service: 'user-service', trace_id: TRACE, level: 'info' });
  }
  expect(named(lines, 'from clog')).toMatchObject({ namespace: 'user' });
  expect(named(lines, 'from pino')).toMatchObject({ context: 'Users', assigned: 1 });
  expect(lines.filter(({ msg }) => msg === 'request completed')).toHaveLength(1);
  for (const line of lines) expect(line['service']).toBe('user-service');
});

it("writes Nest's own start-up lines in the same format", async () => {
  const { lines } = await start('user-service');
  expect(named(lines, 'Nest application successfully started')).toMatchObject({
    level: 'info',
    context: 'NestApplication',
    service: 'user-service',
  });
  expect(lines.some(({ context }) => context === 'RouterExplorer')).toBe(true);
});

it('prints an error of a handler with its stack, in the trace', async () => {
  const { lines, call } = await start('user-service');
  await call('/users/bad');
  await expect.poll(() => named(lines, 'request errored') ?? named(lines, 'request completed')).toBeDefined();
  const line = lines.find(({ context }) => context === 'ExceptionsHandler');
  expect(line).toMatchObject({ level: 'error', trace_id: TRACE });
  expect(JSON.stringify(line?.['err'])).toContain('bad call');
});

it('keeps three applications of one process apart: lines, files, levels, and the end of one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'clog-apps-'));
  const fileOf = (name: string) => join(folder, `${name}.log`);
  const [first, second, third] = await Promise.all([
    start('first', { output: fileOf('first') }),
    start('second', { output: fileOf('second'), level: 'warn' }),
    start('third', { output: fileOf('third') }),
  ]);
  const completed = (lines: Line[]) => lines.filter(({ msg }) => msg === 'request completed').length;
  const callAll = () => Promise.all([first, second, third, first].map(({ call }) => call('/users')));
  await callAll();
  first.app.get(ClogService).setLevel('error', '*');
  second.app.get(ClogService).setLevel('info', 'user');
  await callAll();
  for (const { app } of [first, second, third]) app.get(UserService).outside();
  await expect.poll(() => [completed(first.lines), completed(third.lines)]).toEqual([2, 2]);
  await first.app.close();
  await third.call('/users');
  await expect.poll(() => completed(third.lines)).toBe(3);

  const count = (lines: Line[], text: string) => lines.filter(({ msg }) => msg === text).length;
  const counts = ['from clog', 'from pino', 'from the root', 'outside', 'request completed'];
  expect(counts.map((msg) => count(first.lines, msg))).toEqual([2, 2, 2, 0, 2]);
  expect(counts.map((msg) => count(second.lines, msg))).toEqual([1, 0, 0, 0, 0]);
  expect(counts.map((msg) => count(third.lines, msg))).toEqual([3, 3, 3, 1, 3]);
  for (const [name, { lines }] of Object.entries({ first, second, third })) {
    expect(readFileSync(fileOf(name), 'utf8')).toBe(
      lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
    );
    for (const line of lines) expect(line['service']).toBe(name);
  }
  rmSync(folder, { recursive: true });
});

it('switches the access log off, and keeps the trace', async () => {
  const { lines, call } = await start('user-service', { pinoHttp: false });
  await call('/users');
  expect(named(lines, 'from pino')).toMatchObject({ trace_id: TRACE });
  expect(named(lines, 'request completed')).toBeUndefined();
});

it('works in an application context', async () => {
  const app = await NestFactory.createApplicationContext(moduleOf('job', { output: '/dev/null' }), {
    bufferLogs: true,
  });
  const lines: Line[] = [];
  app.get(ClogService)[CLOG_TAP]((line) => lines.push(JSON.parse(line) as Line));
  app.get(UserService).outside();
  expect(lines).toMatchObject([{ msg: 'outside', service: 'job', context: 'Users' }]);
  await app.close();
});
