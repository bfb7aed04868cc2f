import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BehaviorSubject, Subject, throwError } from 'rxjs';
import { afterAll, describe, expect, it } from 'vitest';
import { ClogService } from '../../../lib/clog/clog.service.js';
import { FakeClock } from './fake-clock.js';
import { until } from '../../support/until.js';
import { MemoryOutput, memoryClog } from './memory-output.js';

const folder = mkdtempSync(join(tmpdir(), 'clog-live-'));
afterAll(() => rmSync(folder, { recursive: true }));

const APPLIED = 'configuration of logging applied';
const REFUSED = 'configuration of logging refused, the last good one stays';

describe('live options', () => {
  it('change the level of loggers that exist, and say so once', () => {
    const { clog, output } = memoryClog({ level: 'info' });
    const user = clog.namespace('user');
    const live$ = new BehaviorSubject<unknown>(undefined);
    clog.follow(live$);
    expect(output.text).toEqual([]);
    live$.next({ level: 'warn', levels: { user: 'debug' } });
    live$.next({ level: 'warn', levels: { user: 'debug' } });
    user.debug('seen');
    clog.info('not seen');
    expect(output.messages).toEqual(['seen']);
    live$.next({ level: 'debug' });
    expect(output.last).toMatchObject({ msg: APPLIED, namespace: 'im-infra.clog', options: ['level'] });
    expect(user.level).toBe('debug');
  });

  it('return to the options of the start when they are deleted', () => {
    const { clog } = memoryClog({ level: 'info', levels: { user: 'error' } });
    const live$ = new Subject<unknown>();
    clog.follow(live$);
    live$.next({ level: 'trace', levels: { user: 'trace', other: 'fatal' } });
    clog.setLevel('silent', 'third');
    live$.next(undefined);
    expect(['user', 'other', 'third'].map((name) => clog.namespace(name).level)).toEqual([
      'error',
      'info',
      'info',
    ]);
    expect(clog.level).toBe('info');
  });

  it.each([
    [{ level: 'verbose' }, 'clog.level'],
    [{ level: 'debug', levels: { user: 7 } }, 'clog.levels["user"]'],
    [{ format: 'yaml' }, 'clog.format'],
    [{ output: 7 }, 'clog.output'],
    [{ output: '/proc/no/file.log' }, 'clog.output'],
    [{ rotation: { maxSize: 'big' } }, 'clog.rotation.maxSize'],
    [{ until: 'later' }, 'clog.until'],
    ['debug', 'clog'],
    [null, 'clog'],
    [[], 'clog'],
    [7, 'clog'],
    [{ rotation: { constructor: 1 } }, 'clog.rotation.constructor'],
  ])('refuse %j as a whole, with one warning that names the path and no value', (value, path) => {
    const { clog, output } = memoryClog({ level: 'info' });
    const live$ = new Subject<unknown>();
    clog.follow(live$);
    live$.next({ level: 'debug' });
    output.text.length = 0;
    live$.next(value);
    expect(output.records).toHaveLength(1);
    const { level, msg, issues } = output.last;
    expect({ level, msg }).toEqual({ level: 'warn', msg: REFUSED });
    expect((issues as { path: string }[]).map((issue) => issue.path)).toEqual([path]);
    expect(JSON.stringify(issues)).not.toMatch(/verbose|yaml|big|later/);
    expect(clog.level).toBe('debug');
  });

  it('refuse what no JSON could hold, and go on following', () => {
    const circle: Record<string, unknown> = { level: 'debug' };
    circle['self'] = circle;
    const { clog, output } = memoryClog({ level: 'info' });
    const live$ = new Subject<unknown>();
    clog.follow(live$);
    for (const value of [{ level: 10n }, circle]) live$.next(value);
    expect(output.records).toMatchObject([
      { msg: REFUSED, issues: [{ path: 'clog' }] },
      { msg: REFUSED, issues: [{ path: 'clog' }] },
    ]);
    live$.next({ level: 'debug' });
    expect(clog.level).toBe('debug');
  });

  it('take no name that every object has for an option', () => {
    const { clog, output } = memoryClog({ level: 'info' });
    const live$ = new Subject<unknown>();
    clog.follow(live$);
    live$.next({ constructor: 1, toString: 2, level: 'debug' });
    expect(clog.level).toBe('debug');
    expect(output.last).toMatchObject({ ignored: ['constructor', 'toString'] });
  });

  it('take a good value after a bad one', () => {
    const { clog } = memoryClog({ level: 'info' });
    const live$ = new Subject<unknown>();
    clog.follow(live$);
    for (const value of [{ level: 'debug' }, { level: 'x' }, { level: 'trace' }]) live$.next(value);
    expect(clog.level).toBe('trace');
  });

  it('report names that are no option, apply the rest, and pass over those that count at the start only', () => {
    const { clog, output } = memoryClog({ level: 'info' });
    const live$ = new Subject<unknown>();
    clog.follow(live$);
    live$.next({ level: 'debug', levle: 'trace', redact: ['x'], pino: {} });
    expect(clog.level).toBe('debug');
    expect(output.last).toMatchObject({ level: 'warn', ignored: ['levle'] });
  });

  it('end by themselves at until', () => {
    const clock = new FakeClock(Date.parse('2026-01-01T00:00:00Z'));
    const { clog } = memoryClog({ level: 'info' }, { clock });
    const user = clog.namespace('user');
    const live$ = new Subject<unknown>();
    clog.follow(live$);
    live$.next({ level: 'debug', until: '2026-01-01T00:10:00Z' });
    clock.advance(599_999);
    expect(user.level).toBe('debug');
    clock.advance(1);
    expect([user.level, clog.level]).toEqual(['info', 'info']);
    expect(clock.waiting).toBe(0);
  });

  it('give way to setLevel, whose end brings them back', () => {
    const clock = new FakeClock();
    const { clog } = memoryClog({ level: 'info' }, { clock });
    const live$ = new Subject<unknown>();
    clog.follow(live$);
    live$.next({ level: 'warn' });
    clog.setLevel('trace', '*', { until: clock.now() + 100 });
    expect(clog.level).toBe('trace');
    clock.advance(100);
    expect(clog.level).toBe('warn');
  });

  it('are not followed with watch: false, nor after stop, nor after close', async () => {
    const live$ = new Subject<unknown>();
    const unwatched = memoryClog({ level: 'info', watch: false }).clog;
    unwatched.follow(live$);
    const stopped = memoryClog({ level: 'info' }).clog;
    stopped.follow(live$)();
    const clock = new FakeClock();
    const closed = memoryClog({ level: 'info' }, { clock }).clog;
    closed.follow(live$);
    closed.setLevel('debug', 'x', { until: clock.now() + 100 });
    await closed.close();
    live$.next({ level: 'trace' });
    expect([unwatched.level, stopped.level, closed.level]).toEqual(['info', 'info', 'info']);
    expect([live$.observed, clock.waiting]).toEqual([false, 0]);
  });

  it('survive an observable that fails', () => {
    const { clog } = memoryClog({ level: 'info' });
    clog.follow(throwError(() => new Error('gone')));
    expect(clog.level).toBe('info');
  });

  it('exchange format and output between two lines, and come back', async () => {
    const first = join(folder, 'first.log');
    const second = join(folder, 'deeper', 'second.log');
    const clog = ClogService.create({ service: { name: 'a' }, output: first, format: 'json', level: 'warn' });
    const live$ = new Subject<unknown>();
    clog.follow(live$);
    const write = (from: number) => {
      for (let n = from; n < from + 100; n++) clog.warn(`line ${n};`);
    };
    write(0);
    live$.next({ output: second, format: 'console', enableColor: false });
    write(100);
    live$.next({ output: second, format: 'json' });
    write(200);
    live$.next(undefined);
    write(300);
    await clog.close();
    const numbers = (file: string) =>
      [...readFileSync(file, 'utf8').matchAll(/line (\d+);/g)].map((match) => Number(match[1]));
    const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);
    expect(numbers(first)).toEqual([...range(0, 100), ...range(300, 400)]);
    expect(numbers(second)).toEqual(range(100, 300));
    expect(readFileSync(second, 'utf8')).toMatch(/WARN: \[a\] line 100;/);
  });

  it('change the rotation alone, of a file that is written to, and switch it off', async () => {
    const inside = join(folder, 'rotating');
    const output = join(inside, 'app.log');
    const kept = { maxBackups: 3, compress: false };
    const clog = ClogService.create({
      service: { name: 'a' },
      output,
      format: 'json',
      level: 'warn',
      rotation: { ...kept, maxSize: 1 },
    });
    const live$ = new Subject<unknown>();
    clog.follow(live$);
    const write = (lines: number) => {
      for (let n = 0; n < lines; n++) clog.warn('x'.repeat(100));
    };
    write(10);
    expect(readdirSync(inside)).toHaveLength(1);
    live$.next({ rotation: { maxSize: 1 / 1024 } });
    write(50);
    // Of the start's numbers it has changed one: three files are kept, and none is zipped.
    await until(() => readdirSync(inside).length === 4, { what: 'three files and the last' });
    live$.next({ rotation: null });
    const before = readdirSync(inside);
    write(50);
    live$.next(undefined);
    write(50);
    await clog.close();
    expect(readdirSync(inside)).toEqual(before);
    expect(before.some((name) => name.endsWith('.gz'))).toBe(false);
  });

  describe('and flush()', () => {
    class HeldOutput extends MemoryOutput {
      flushed = (): void => undefined;
      failed = (_error: Error): void => undefined;
      readonly #flushing = new Promise<void>((resolve, reject) => {
        [this.flushed, this.failed] = [resolve, reject];
      });

      override flush(): Promise<void> {
        return this.#flushing;
      }
    }
    const switched = () => {
      const held = new HeldOutput();
      const { clog } = memoryClog({ level: 'info' }, { output: held });
      const live$ = new Subject<unknown>();
      clog.follow(live$);
      clog.info('for the first output');
      live$.next({ output: join(folder, 'flushed.log') });
      return { clog, held };
    };

    it('waits for an output that was exchanged', async () => {
      const { clog, held } = switched();
      let done = false;
      const flushed = clog.flush().then(() => (done = true));
      for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
      expect(done).toBe(false);
      held.flushed();
      await flushed;
      await clog.close();
    });

    it('tells once of a failure of an output that was exchanged', async () => {
      const { clog, held } = switched();
      held.failed(new Error('disk'));
      await new Promise(setImmediate);
      await expect(clog.flush()).rejects.toThrow('disk');
      await clog.flush();
      await clog.close();
    });
  });
});
