import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { BackupFiles } from '../../../lib/clog/backup-files.js';
import { FileOutput } from '../../../lib/clog/file.output.js';
import { openOutput } from '../../../lib/clog/open-output.js';
import { FakeClock } from './fake-clock.js';

const root = mkdtempSync(join(tmpdir(), 'clog-rotation-'));
afterAll(() => rmSync(root, { recursive: true }));

let made = 0;
function freshFolder(): string {
  const folder = join(root, String(made++));
  mkdirSync(folder);
  return folder;
}

const DAY = 24 * 60 * 60 * 1000;
const START = Date.parse('2026-01-31T12:00:00.000Z');
const KILOBYTE = 1 / 1024;
const keepAll = { maxSize: KILOBYTE, maxBackups: 0, maxAge: 0, compress: false };
const line = (n: number) => `${String(n).padStart(99, '0')}\n`;

describe('a rotating file', () => {
  it('is put aside before it would outgrow its size, whole lines only', async () => {
    const folder = freshFolder();
    const path = join(folder, 'app.log');
    const output = new FileOutput(path, keepAll, new FakeClock(START));
    for (let n = 0; n < 25; n++) output.write(line(n));
    await output.close();
    expect(readdirSync(folder).sort()).toEqual([
      'app-2026-01-31T12-00-00.000Z.log',
      'app-2026-01-31T12-00-00.001Z.log',
      'app.log',
    ]);
    const sizes = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8').length);
    expect(sizes).toEqual([1000, 1000, 500]);
  });

  it('zips what was put aside, and keeps as many as it is told', async () => {
    const folder = freshFolder();
    const rotation = { ...keepAll, maxBackups: 2, compress: true };
    const output = new FileOutput(join(folder, 'app.log'), rotation, new FakeClock(START));
    for (let n = 0; n < 45; n++) output.write(line(n));
    await output.close();
    const names = readdirSync(folder).sort();
    expect(names).toEqual([
      'app-2026-01-31T12-00-00.002Z.log.gz',
      'app-2026-01-31T12-00-00.003Z.log.gz',
      'app.log',
    ]);
    const text = gunzipSync(readFileSync(join(folder, names[0] ?? ''))).toString();
    expect(text).toBe(Array.from({ length: 10 }, (_, at) => line(20 + at)).join(''));
  });

  it('goes on taking lines while it zips, in the background', async () => {
    const folder = freshFolder();
    const rotation = { ...keepAll, maxSize: 8, compress: true };
    const output = new FileOutput(join(folder, 'app.log'), rotation, new FakeClock(START));
    const text = `${randomBytes(2 ** 19).toString('hex')}\n`;
    for (let n = 0; n < 9; n++) output.write(text);
    const zipping = () => readdirSync(folder).some((name) => !name.endsWith('.gz') && name !== 'app.log');
    let [turns, lines] = [0, 0];
    for (; zipping(); turns++) {
      output.write(line(lines++));
      await new Promise(setImmediate);
    }
    await output.close();
    // On the way of a line it would have been done within the write that filled the file, before the first turn.
    expect(turns).toBeGreaterThan(10);
    expect(readFileSync(join(folder, 'app.log'), 'utf8').split('\n')).toHaveLength(lines + 3);
  });

  it('deletes what is too old, by the time in its name', async () => {
    const folder = freshFolder();
    const clock = new FakeClock(START);
    const output = new FileOutput(join(folder, 'app.log'), { ...keepAll, maxAge: 7 }, clock);
    for (let n = 0; n < 15; n++) output.write(line(n));
    clock.advance(6 * DAY);
    for (let n = 0; n < 10; n++) output.write(line(n));
    clock.advance(1.5 * DAY);
    for (let n = 0; n < 10; n++) output.write(line(n));
    await output.close();
    expect(readdirSync(folder).sort()).toEqual([
      'app-2026-02-06T12-00-00.000Z.log',
      'app-2026-02-08T00-00-00.000Z.log',
      'app.log',
    ]);
  });

  it('clears away at the start what a killed process left, and touches no other file', async () => {
    const folder = freshFolder();
    const stamped = 'app-2026-01-30T00-00-00.000Z.log';
    const others = ['app.log.bak', 'app-notes.log', 'apps-2026-01-30T00-00-00.000Z.log', 'x.tmp'];
    for (const name of [...others, `${stamped}.gz.tmp`]) writeFileSync(join(folder, name), 'x');
    writeFileSync(join(folder, stamped), 'whole\n');
    const output = new FileOutput(
      join(folder, 'app.log'),
      { ...keepAll, compress: true },
      new FakeClock(START),
    );
    await output.close();
    expect(readdirSync(folder).sort()).toEqual([...others, 'app.log', `${stamped}.gz`].sort());
    expect(gunzipSync(readFileSync(join(folder, `${stamped}.gz`))).toString()).toBe('whole\n');
  });

  it('ends a torn last line before it goes on', async () => {
    const path = join(freshFolder(), 'app.log');
    writeFileSync(path, '{"torn":');
    const output = new FileOutput(path, undefined, new FakeClock(START));
    output.write('{"whole":1}\n');
    await output.close();
    expect(readFileSync(path, 'utf8')).toBe('{"torn":\n{"whole":1}\n');
  });

  it('sorts later files behind, although the wall clock went back', () => {
    const folder = freshFolder();
    const clock = new FakeClock(START);
    const path = join(folder, 'app.log');
    const first = new BackupFiles(path, clock, () => undefined).next();
    writeFileSync(first, '');
    clock.advance(-DAY);
    const second = new BackupFiles(path, clock, () => undefined).next();
    expect([first, second].sort()).toEqual([first, second]);
    expect(second).not.toBe(first);
  });

  it('counts bytes, not characters', async () => {
    const folder = freshFolder();
    const output = new FileOutput(join(folder, 'app.log'), keepAll, new FakeClock(START));
    for (let n = 0; n < 25; n++) output.write(`${'é'.repeat(49)}\n`);
    await output.close();
    expect(readdirSync(folder)).toHaveLength(3);
  });

  it('is not put aside, with one notice, where the path is a link, to a device perhaps', async () => {
    const folder = freshFolder();
    const notices: string[] = [];
    const path = join(folder, 'app.log');
    symlinkSync(join(folder, 'target'), path);
    const output = new FileOutput(path, keepAll, new FakeClock(START), (text) => notices.push(text));
    for (let n = 0; n < 25; n++) output.write(line(n));
    await output.close();
    expect(readdirSync(folder).sort()).toEqual(['app.log', 'target']);
    expect(readFileSync(join(folder, 'target'), 'utf8')).toHaveLength(2500);
    expect(notices).toEqual([expect.stringMatching(/app\.log is no regular file, it is not put aside/)]);
  });

  it('goes on growing, with one notice, when it cannot be put aside', async () => {
    const folder = freshFolder();
    const notices: string[] = [];
    const path = join(folder, 'app.log');
    const clock = new FakeClock(START);
    const output = new FileOutput(path, keepAll, clock, (text) => notices.push(text));
    for (let n = 0; n < 11; n++) output.write(line(n));
    // A folder that is not empty stands where the next file would go.
    mkdirSync(join(folder, 'app-2026-01-31T12-00-00.001Z.log', 'in-the-way'), { recursive: true });
    for (let n = 11; n < 21; n++) output.write(line(n));
    expect(notices).toEqual([expect.stringMatching(/app\.log cannot be put aside \(E\w+\)/)]);
    expect(readFileSync(path, 'utf8')).toBe(Array.from({ length: 11 }, (_, at) => line(10 + at)).join(''));
    await output.close();
  });

  it('is told of once when it cannot be written, and once when it can again', async () => {
    const folder = freshFolder();
    const notices: string[] = [];
    const path = join(folder, 'sub', 'app.log');
    const output = new FileOutput(path, undefined, new FakeClock(START), (text) => notices.push(text));
    await output.close();
    rmSync(join(folder, 'sub'), { recursive: true });
    writeFileSync(join(folder, 'sub'), 'a file in the way');
    output.write('lost\n');
    output.write('lost\n');
    rmSync(join(folder, 'sub'));
    output.write('kept\n');
    expect(notices).toEqual([
      expect.stringMatching(/cannot be written \(E\w+\)/),
      expect.stringMatching(/can be written again, 2 lines were dropped/),
    ]);
    expect(readFileSync(path, 'utf8')).toBe('kept\n');
  });
});

describe('openOutput', () => {
  it('shares one file among the loggers of a process, so that none writes into what another put aside', async () => {
    const folder = freshFolder();
    const output = join(folder, 'app.log');
    const clock = new FakeClock(START);
    const [first, second] = [1, 2].map(() => openOutput({ output, rotation: keepAll }, clock));
    for (let n = 0; n < 20; n++) (n % 2 === 0 ? first : second)?.write(line(n));
    await first?.close();
    await first?.close();
    second?.write(line(20));
    await second?.close();
    expect(readdirSync(folder)).toHaveLength(3);
    expect(readFileSync(output, 'utf8')).toBe(line(20));
  });

  it('writes what comes after close, and keeps nothing open', async () => {
    const output = join(freshFolder(), 'app.log');
    const file = openOutput({ output, rotation: undefined }, new FakeClock(START));
    file.write('one\n');
    await file.close();
    file.write('two\n');
    expect(readFileSync(output, 'utf8')).toBe('one\ntwo\n');
    expect(existsSync(output)).toBe(true);
  });
});
