import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Subject } from 'rxjs';
import { ClogModule } from '../../../lib/clog/clog.module.js';
import { ClogService } from '../../../lib/clog/clog.service.js';

/*
 * Writes lines and ends as it is told: `{ options, swapTo?, lines, ending }` in the first argument. The lines are
 * numbered, so that a missing, doubled or torn one shows.
 */
interface Task {
  readonly options: Record<string, unknown>;
  /** Live options that are applied when half of the lines are written. */
  readonly swapTo?: unknown;
  readonly lines: number;
  readonly ending: 'exit' | 'throw' | 'reject' | 'SIGKILL' | 'SIGTERM' | 'close' | 'hooks' | 'forever';
}

const task = JSON.parse(process.argv[2] ?? '') as Task;

@Module({
  imports: [ClogModule.forOptions({ useFactory: () => ({ service: { name: 'writer' }, ...task.options }) })],
})
class WriterModule {}

const app = await NestFactory.createApplicationContext(WriterModule, { logger: false });
if (task.ending === 'hooks') app.enableShutdownHooks();
const clog = app.get(ClogService);
const live$ = new Subject<unknown>();
clog.follow(live$);

const write = (n: number): void => clog.warn('line', { n, text: 'é'.repeat(n % 50) });
for (let n = 0; n < task.lines; n++) {
  if (task.swapTo !== undefined && n === task.lines / 2) live$.next(task.swapTo);
  write(n);
}

switch (task.ending) {
  case 'exit':
    process.exit(3);
  case 'throw':
    throw new Error('uncaught');
  case 'reject':
    void Promise.reject(new Error('unhandled'));
    break;
  case 'SIGKILL':
  case 'SIGTERM':
    process.kill(process.pid, task.ending);
    break;
  case 'hooks':
    process.kill(process.pid, 'SIGTERM');
    break;
  case 'close':
    await app.close();
    break;
  case 'forever': {
    // Tells how far it came, after the fact: whatever was told must be in the file.
    let n = task.lines;
    setInterval(() => {
      for (let left = 500; left > 0; left--) write(n++);
      process.stdout.write(`${n}\n`);
    });
  }
}
