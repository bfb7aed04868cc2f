import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { BackupFiles } from '../../../lib/clog/backup-files.js';
import { FileOutput } from '../../../lib/clog/file.output.js';
import { until } from '../../support/until.js';
import { FakeClock } from './fake-clock.js';

const root = mkdtempSync(join(tmpdir(), 'clog-backups-'));
afterAll(() => rmSync(root, { recursive: true }));

const START = Date.parse('2026-01-31T12:00:00.000Z');
const zipAll = { maxSize: 1, maxBackups: 0, maxAge: 0, compress: true };
const backup = (day: number) => `app-2026-01-0${day}T00-00-00.000Z.log`;

let made = 0;
let folder = '';
let notices: string[] = [];
let clock = new FakeClock(START);
let backups: BackupFiles;

beforeEach(() => {
  folder = join(root, String(made++));
  mkdirSync(folder);
  notices = [];
  clock = new FakeClock(START);
  backups = new BackupFiles(join(folder, 'app.log'), clock, (text) => notices.push(text));
});

const names = () => readdirSync(folder).sort();
const make = (day: number, bytes = 10) => writeFileSync(join(folder, backup(day)), randomBytes(bytes));
/** A folder that is not empty stands where the zip would go. */
const block = (day: number) =>
  mkdirSync(join(folder, `${backup(day)}.gz`, 'in-the-way'), { recursive: true });
const unblock = (day: number) => rmSync(join(folder, `${backup(day)}.gz`), { recursive: true });

describe('when a file cannot be zipped', () => {
  it('what is too many is deleted nevertheless, the others are zipped, and nothing half done stays', async () => {
    for (const day of [1, 2, 3, 4, 5]) make(day);
    block(5);
    await backups.tidy({ ...zipAll, maxBackups: 3 });
    expect(names()).toEqual([`${backup(3)}.gz`, `${backup(4)}.gz`, backup(5), `${backup(5)}.gz`]);
  });

  it('that is told once, and again only after it had worked', async () => {
    make(5);
    block(5);
    await backups.tidy(zipAll);
    await backups.tidy(zipAll);
    expect(notices).toEqual([expect.stringMatching(/05T00-00-00\.000Z\.log cannot be zipped \(E\w+\)\n$/)]);
    unblock(5);
    await backups.tidy(zipAll);
    expect(names()).toEqual([`${backup(5)}.gz`]);
    make(6);
    block(6);
    await backups.tidy(zipAll);
    expect(notices).toHaveLength(2);
  });

  it('a folder that looks like one does not count', async () => {
    make(1);
    mkdirSync(join(folder, backup(9)));
    await backups.tidy({ ...zipAll, maxBackups: 1, compress: false });
    expect(names()).toEqual([backup(1), backup(9)]);
    expect(notices).toEqual([]);
  });
});

it('a rotation that changes while files are zipped holds for the rest of them', async () => {
  for (const day of [1, 2, 3]) make(day, 2 ** 20);
  const running = backups.tidy(zipAll);
  void backups.tidy({ ...zipAll, maxBackups: 1, compress: false });
  await running;
  expect(names()).toHaveLength(1);
});

it('closing waits for zipping that is short, and calls it off when it takes long', async () => {
  make(1);
  void backups.tidy(zipAll);
  await backups.close();
  expect(names()).toEqual([`${backup(1)}.gz`]);

  backups = new BackupFiles(join(folder, 'app.log'), clock, (text) => notices.push(text));
  make(2, 2 ** 25);
  void backups.tidy(zipAll);
  await until(() => names().some((name) => name.endsWith('.tmp')), { what: 'a zip that is under way' });
  const closed = backups.close();
  clock.advance(3000);
  await closed;
  expect(names()).toEqual([`${backup(1)}.gz`, backup(2)]);
  expect(notices).toEqual([]);
});

it('clears away what a process left that died while it zipped', async () => {
  for (const name of [`${backup(1)}.gz.tmp`, `${backup(1)}.gz.42-7.tmp`])
    writeFileSync(join(folder, name), '');
  writeFileSync(join(folder, 'other.gz.tmp'), '');
  await backups.tidy(zipAll);
  expect(names()).toEqual(['other.gz.tmp']);
});

describe('flush()', () => {
  const keepAll = { maxSize: 1 / 1024, maxBackups: 0, maxAge: 0, compress: false };
  const line = `${'x'.repeat(99)}\n`;
  const start = () => new FileOutput(join(folder, 'app.log'), keepAll, clock, (text) => notices.push(text));
  /** A folder cannot be brought to the disk as a file: whoever tries fails. */
  const spoil = (name: string) => {
    renameSync(join(folder, name), join(folder, `${name}.moved`));
    mkdirSync(join(folder, name));
  };

  it('covers a file that was put aside, once', async () => {
    const output = start();
    for (let n = 0; n < 11; n++) output.write(line);
    const [aside = ''] = names();
    expect(aside).toMatch(/^app-.*\.log$/);
    spoil(aside);
    await expect(output.flush()).rejects.toThrow('EISDIR');
    rmSync(join(folder, aside), { recursive: true });
    renameSync(join(folder, `${aside}.moved`), join(folder, aside));
    await output.flush();
    spoil(aside);
    await output.flush();
    await output.close();
    expect(notices).toEqual([]);
  });

  it('covers a line that was written after close(), and a failure at close() is told', async () => {
    const output = start();
    await output.close();
    output.write(line);
    spoil('app.log');
    await expect(output.flush()).rejects.toThrow('EISDIR');
    await output.close();
    expect(notices).toEqual([expect.stringMatching(/may not survive a power failure \(EISDIR\)/)]);
  });

  it('has nothing to do for a device', async () => {
    const output = new FileOutput('/dev/null', undefined, clock, (text) => notices.push(text));
    output.write(line);
    await output.flush();
    await output.close();
    output.write(line);
    await output.close();
    expect(notices).toEqual([]);
  });
});
