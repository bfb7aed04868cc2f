import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CompiledLib } from './compiled-lib.js';

const LINES = 10_000;
const ENDINGS = ['exit', 'throw', 'reject', 'SIGKILL', 'SIGTERM', 'hooks', 'close'] as const;

let lib: CompiledLib;
let script: string;
let folder: string;

beforeAll(() => {
  lib = new CompiledLib();
  script = lib.script('writer.child.ts');
  folder = mkdtempSync(join(tmpdir(), 'clog-lines-'));
});

afterAll(() => {
  lib[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

interface Ended {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the writer to its end. Its output is read late and slowly, so that the pipe is full most of the time. */
async function run(task: object): Promise<Ended> {
  const child = spawn(process.execPath, [script, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    child.stdout.pause();
    setTimeout(() => child.stdout.resume(), 1);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  await once(child, 'close');
  return { stdout, stderr };
}

/** The numbers in order; a torn line is not JSON and fails here. */
function numbers(text: string): number[] {
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { msg: string; n: number })
    .filter(({ msg }) => msg === 'line')
    .map(({ n }) => n);
}

/**
 * Linux lets a killed process write no more than up to the next page: of the line whose call had not returned yet a piece may be
 * there, at most one for each kill. The next start ends it.
 */
function withoutPieces(text: string, kills: number): string {
  const lines = text.split(/(?<=\n)/);
  const whole = lines.filter((line) => /^\{.*\}\n$/.test(line));
  expect(lines.length - whole.length).toBeLessThanOrEqual(kills);
  return whole.join('');
}

/** A log file and those put aside before it, oldest first. */
function withBackups(file: string): string {
  const [directory, name] = [join(file, '..'), file.slice(file.lastIndexOf('/') + 1)];
  const stem = name.replace(/\.log$/, '-');
  const backups = readdirSync(directory)
    .filter((each) => each.startsWith(stem) && !each.endsWith('.tmp'))
    .sort();
  // Killed between the two, a zip and its original may both be there; the next start clears the original away.
  const once = backups.filter((each) => !backups.includes(`${each}.gz`));
  const texts = once.map((each) => {
    const bytes = readFileSync(join(directory, each));
    return (each.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
  });
  // Killed between putting it aside and beginning the next one, there is none.
  if (existsSync(file)) texts.push(readFileSync(file, 'utf8'));
  return texts.join('');
}

const all = Array.from({ length: LINES }, (_, at) => at);
const rotation = { maxSize: 0.1, maxBackups: 0, maxAge: 0, compress: true };

describe.each(ENDINGS)('10,000 lines, then %s', (ending) => {
  it('are all in the pipe', async () => {
    const { stdout, stderr } = await run({ options: { format: 'json' }, lines: LINES, ending });
    expect(numbers(stdout), stderr).toEqual(all);
  });

  it('are all in the file', async () => {
    const output = join(folder, ending, 'file.log');
    await run({ options: { format: 'json', output }, lines: LINES, ending });
    expect(numbers(readFileSync(output, 'utf8'))).toEqual(all);
  });

  it('are all in the rotating files', async () => {
    const output = join(folder, ending, 'rotating.log');
    await run({ options: { format: 'json', output, rotation }, lines: LINES, ending });
    expect(numbers(withBackups(output))).toEqual(all);
  });

  it('are all in the two files, when the output is exchanged half way', async () => {
    const [first, second] = ['first', 'second'].map((name) => join(folder, ending, `${name}.log`));
    const task = {
      options: { format: 'json', output: first },
      swapTo: { output: second, rotation },
      lines: LINES,
      ending,
    };
    const { stderr } = await run(task);
    expect(numbers(readFileSync(first ?? '', 'utf8')), stderr).toEqual(all.slice(0, LINES / 2));
    expect(numbers(withBackups(second ?? ''))).toEqual(all.slice(LINES / 2));
  });
});

it('a writer killed again and again while it rotates and zips leaves every line it told of, once and in order', async () => {
  const output = join(folder, 'killed', 'app.log');
  let before = 0;
  for (let round = 0; round < 5; round++) {
    const task = { options: { format: 'json', output, rotation }, lines: 0, ending: 'forever' };
    const child = spawn(process.execPath, [script, JSON.stringify(task)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let told = 0;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      told = Number(text.trim().split('\n').at(-1));
      if (told > 15_000) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const found = numbers(withoutPieces(withBackups(output), round + 1)).slice(before);
    expect(found.length).toBeGreaterThanOrEqual(told);
    expect(found).toEqual(Array.from({ length: found.length }, (_, at) => at));
    before += found.length;
  }
});

it.skipIf(!existsSync('/dev/full'))(
  'a process whose disk is full goes on, although nobody reads its standard error',
  async () => {
    const options = { format: 'json', output: '/dev/full', rotation };
    const child = spawn(process.execPath, [script, JSON.stringify({ options, lines: 3, ending: 'close' })], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr.destroy();
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code).toBe(0);
  },
);
