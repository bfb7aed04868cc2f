import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type TypeScript from 'typescript';

const ts = createRequire(import.meta.url)('typescript') as typeof TypeScript;
const SOURCE = fileURLToPath(new URL('../../../lib/testing/life-line.ts', import.meta.url));

/** A parent that starts a child, ties it to itself and says the child's pid. */
const PARENT = `
import { spawn } from 'node:child_process';
import { tieToThisProcess } from './life-line.mjs';
const child = spawn('sleep', ['60'], { stdio: 'ignore' });
child.unref();
const untie = tieToThisProcess(child.pid, process.argv[2]);
process.stdout.write(String(child.pid) + '\\n');
if (process.argv[3] === 'stay') setInterval(() => {}, 1000);
if (process.argv[3] === 'untie') { untie(); child.kill('SIGTERM'); }
`;

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    // A zombie that nobody has reaped yet is dead.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

describe.runIf(process.platform === 'linux')('a child that is tied to this process', () => {
  let folder: string;
  let data: string;
  let parent: ChildProcess;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'im-infra-spec-'));
    data = mkdtempSync(join(folder, 'data-'));
    const { outputText } = ts.transpileModule(readFileSync(SOURCE, 'utf8'), {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    writeFileSync(join(folder, 'life-line.mjs'), outputText);
    writeFileSync(join(folder, 'parent.mjs'), PARENT);
  });

  afterEach(() => {
    parent.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  const start = async (mode: string) => {
    parent = spawn(process.execPath, [join(folder, 'parent.mjs'), data, mode], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = new Promise<number | null>((resolve) => parent.once('exit', resolve));
    const pid = await new Promise<number>((resolve) => {
      parent.stdout!.once('data', (text: Buffer) => resolve(Number(text.toString())));
    });
    return { pid, exited };
  };

  it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
    'dies with it on %s, and its folder goes',
    async (signal) => {
      const { pid } = await start('stay');
      expect(alive(pid)).toBe(true);
      parent.kill(signal);
      await expect.poll(() => alive(pid), { timeout: 5_000 }).toBe(false);
      await expect.poll(() => existsSync(data), { timeout: 5_000 }).toBe(false);
    },
  );

  it('does not keep it from ending by itself, and dies then', async () => {
    const { pid, exited } = await start('end');
    expect(await exited).toBe(0);
    await expect.poll(() => alive(pid), { timeout: 5_000 }).toBe(false);
  });

  it('is let go when it was stopped in an orderly way', async () => {
    const { exited } = await start('untie');
    expect(await exited).toBe(0);
    expect(existsSync(data)).toBe(true);
  });
});
