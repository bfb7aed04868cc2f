import 'reflect-metadata';
import { Body, Controller, Get, Inject, Logger, Module, Post } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClogModule } from '../../../lib/clog/clog.module.js';
import { ClogService } from '../../../lib/clog/clog.service.js';
import { type ObservedClog, observeClog } from '../../../lib/testing/observe-clog.js';
import { traceMiddleware } from '../../../lib/trace/http.middleware.js';
import { currentTraceId } from '../../../lib/trace/trace-store.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const headers = {
  traceparent: `00-${TRACE}-b7ad6b7169203331-01`,
  'content-type': 'application/json',
};

@Controller('users')
class UserController {
  constructor(@Inject(ClogService) private readonly clog: ClogService) {}

  @Get()
  get(): string {
    this.clog.info('get');
    return currentTraceId() ?? 'none';
  }

  @Post()
  async post(@Body() { text }: { text: string }): Promise<string> {
    await new Promise(setImmediate);
    this.clog.info('post', { length: text.length });
    return currentTraceId() ?? 'none';
  }
}

@Controller('health')
class HealthController {
  @Get()
  get(): string {
    return currentTraceId() ?? 'none';
  }
}

@Module({
  imports: [
    ClogModule.forOptions({
      useFactory: () => ({ service: { name: 'web' }, output: '/dev/null', format: 'json' as const }),
    }),
  ],
  controllers: [UserController, HealthController],
})
class WebModule {}

describe.each(['express', 'fastify'])('on %s', (platform) => {
  let app: INestApplication;
  let logs: ObservedClog;
  let url = '';

  beforeEach(async () => {
    app =
      platform === 'fastify'
        ? await NestFactory.create(WebModule, new FastifyAdapter(), { logger: false })
        : await NestFactory.create(WebModule, { logger: false });
    app.setGlobalPrefix('api', { exclude: ['health'] });
    logs = observeClog(app.get(ClogService));
  });
  afterEach(async () => {
    await app.close();
    Logger.overrideLogger(false);
  });

  const listen = async (): Promise<void> => {
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
  };
  const post = (body: string) => fetch(`${url}/api/users`, { method: 'POST', headers, body });
  const completed = () => logs.filter(({ msg }) => msg === 'request completed').all();

  it('a request has its trace, behind its body too, and one line in the access log', async () => {
    await listen();
    const answers = [
      await fetch(`${url}/api/users`, { headers }),
      await post('{"text":"short"}'),
      await post(JSON.stringify({ text: 'x'.repeat(90_000) })),
      await fetch(`${url}/health`, { headers }),
    ];
    for (const answer of answers) expect(await answer.text()).toBe(TRACE);
    await expect.poll(() => completed().length).toBe(4);
    for (const line of logs.all()) expect(line.trace_id, line.msg).toBe(TRACE);
    expect(logs.messages().filter((msg) => msg !== 'request completed')).toEqual(['get', 'post', 'post']);
  });

  it('a middleware of the application and that of the module give a request one trace', async () => {
    let [early, late] = ['', ''];
    const tell = (_request: unknown, _response: unknown, next: () => void) => {
      early = currentTraceId() ?? 'none';
      next();
    };
    if (platform === 'fastify') await app.init();
    app.use(traceMiddleware);
    app.use(tell);
    await listen();
    late = await (await fetch(`${url}/api/users`)).text();
    expect(early).toMatch(/^[0-9a-f]{32}$/);
    expect(late).toBe(early);
  });
});
