import 'reflect-metadata';
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { NEVER, Subject } from 'rxjs';
import { expect, it } from 'vitest';
import { ClogModule } from '../../../lib/clog/clog.module.js';
import { ClogService } from '../../../lib/clog/clog.service.js';
import { memoryClog } from '../../unit/clog/memory-output.js';

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/**
 * The files of this folder that the process has open, 0 where the system does not tell; other specs share the process,
 * and its sockets are theirs.
 */
const openFiles = (folder: string): number => {
  if (!existsSync('/proc/self/fd')) return 0;
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
    } catch {
      return false;
    }
  }).length;
};

/**
 * The timers of this room that are waiting, long ones alone: an expiry of an hour, the limit of a shutdown. By wrapping the
 * functions that set and clear them, since `process.getActiveResourcesInfo()` does not tell of those that are unref'd; by the
 * stack, since other specs share the process, and what still runs of theirs sets timers too.
 */
class LongTimers implements Disposable {
  readonly #real = { set: globalThis.setTimeout, clear: globalThis.clearTimeout };
  readonly #waiting = new Set<unknown>();

  constructor() {
    const { set, clear } = this.#real;
    const wrapped = (fn: () => void, delay = 0, ...args: []): NodeJS.Timeout => {
      const timer = set(() => {
        this.#waiting.delete(timer);
        fn(...args);
      }, delay);
      if (delay >= 1000 && new Error().stack?.includes('/lib/clog/')) this.#waiting.add(timer);
      return timer;
    };
    globalThis.setTimeout = Object.assign(wrapped, set);
    globalThis.clearTimeout = (timer) => {
      this.#waiting.delete(timer);
      clear(timer);
    };
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  [Symbol.dispose](): void {
    globalThis.setTimeout = this.#real.set;
    globalThis.clearTimeout = this.#real.clear;
  }
}

it('200 starts and stops leave no open file, no timer and less than 5 MB', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'clog-life-'));
  const moduleOf = (round: number): Type => {
    @Module({
      imports: [
        ClogModule.forOptions({
          useFactory: () => ({
            service: { name: 'life' },
            format: 'json',
            output: join(folder, `${round % 3}.log`),
            levels: { user: 'debug' },
            until: Date.now() + 3_600_000,
            rotation: { maxSize: 1 },
          }),
        }),
      ],
    })
    class LifeModule {}
    return LifeModule;
  };
  const cycle = async (round: number) => {
    const app = await NestFactory.createApplicationContext(moduleOf(round), { logger: false });
    const clog = app.get(ClogService);
    clog.follow(NEVER);
    for (let n = 0; n < 20; n++) clog.namespace(`user.n${n}`).info('x', { n });
    await app.close();
  };
  for (let round = 0; round < 20; round++) await cycle(round);
  {
    using timers = new LongTimers();
    const app = await NestFactory.createApplicationContext(moduleOf(0), { logger: false });
    expect(timers.waiting).toBe(1);
    await app.close();
    expect(timers.waiting).toBe(0);
  }
  collectGarbage();
  const heap = process.memoryUsage().heapUsed;
  using timers = new LongTimers();
  for (let round = 0; round < 200; round++) await cycle(round);
  collectGarbage();
  expect((process.memoryUsage().heapUsed - heap) / 2 ** 20).toBeLessThan(5);
  expect(openFiles(folder)).toBe(0);
  expect(timers.waiting).toBe(0);
  rmSync(folder, { recursive: true });
});

it('a change of the level reaches 1,000 namespaces at once, lent to other libraries or not', () => {
  const { clog } = memoryClog({ level: 'info' });
  const live$ = new Subject<unknown>();
  clog.follow(live$);
  const loggers = Array.from({ length: 1000 }, (_, n) => clog.namespace(`area${n % 10}.part${n}`));
  const lent = loggers.slice(500).map((each) => each.currentPino);
  for (const level of ['trace', 'error', 'debug', 'silent'] as const) {
    live$.next({ levels: { ['im-gateway']: level } });
    expect(loggers.filter((each) => each.level === level)).toHaveLength(1000);
    expect(lent.filter((each) => each.level === level)).toHaveLength(500);
  }
});

it('three applications of one process keep levels, lines and shutdown to themselves', async () => {
  const [first, second, third] = ['a', 'b', 'c'].map((name) =>
    memoryClog({ service: { name }, level: 'info' }),
  );
  first?.clog.setLevel('debug', '*');
  second?.clog.setLevel('error', '*');
  for (const each of [first, second, third]) each?.clog.namespace('user').debug('debug');
  for (const each of [first, second, third]) each?.clog.namespace('user').info('info');
  await first?.clog.close();
  third?.clog.info('still here');
  expect(first?.output.messages).toEqual(['debug', 'info']);
  expect(second?.output.messages).toEqual([]);
  expect(third?.output.messages).toEqual(['info', 'still here']);
  for (const { service } of third?.output.records ?? []) expect(service).toBe('c');
});
