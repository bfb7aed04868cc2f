import 'reflect-metadata';
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { NEVER } from 'rxjs';
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
  collectGarbage();
  const heap = process.memoryUsage().heapUsed;
  const timers = () => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;
  const timersBefore = timers();
  for (let round = 0; round < 200; round++) await cycle(round);
  collectGarbage();
  expect((process.memoryUsage().heapUsed - heap) / 2 ** 20).toBeLessThan(5);
  expect(openFiles(folder)).toBe(0);
  // A timer left by each of 200 rounds shows, whatever the other specs of this process leave.
  expect(timers() - timersBefore).toBeLessThan(100);
  rmSync(folder, { recursive: true });
});

it('a change of the level of 1,000 namespaces is applied within a millisecond', () => {
  const { clog } = memoryClog({ level: 'info' });
  const loggers = Array.from({ length: 1000 }, (_, n) => clog.namespace(`area${n % 10}.part${n}`));
  const times: number[] = [];
  for (let round = 0; round < 200; round++) {
    const level = round % 2 === 0 ? 'trace' : 'error';
    const started = performance.now();
    clog.setLevel(level, '*');
    times.push(performance.now() - started);
    expect(loggers.filter((each) => each.level === level)).toHaveLength(1000);
  }
  times.sort((left, right) => left - right);
  // The machine may be busy: the quieter fifth of the rounds shows the work itself.
  expect(times[40]).toBeLessThan(1);
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
