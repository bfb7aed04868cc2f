import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ModuleKind, ScriptTarget, transpileModule } from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSnapshot } from '../../../lib/coord/config/snapshot-file.js';
import { SeededRandom } from '../../../lib/testing/index.js';

const KILLS = 12;
const KEY = 'a key of enough length';

describe('a snapshot whose writer is killed', () => {
  let dir: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'im-infra-kill-'));
    const source = await readFile(
      new URL('../../../lib/coord/config/snapshot-file.ts', import.meta.url),
      'utf8',
    );
    const compilerOptions = { module: ModuleKind.ES2022, target: ScriptTarget.ES2022 };
    await writeFile(join(dir, 'snapshot-file.mjs'), transpileModule(source, { compilerOptions }).outputText);
    await writeFile(
      join(dir, 'writer.mjs'),
      `import { writeSnapshot } from './snapshot-file.mjs';
       const key = process.argv[3] ? Buffer.from(process.argv[3]) : undefined;
       for (let n = 0; ; n++) {
         await writeSnapshot(process.argv[2], JSON.stringify({ n, filler: String(n % 10).repeat(200_000) }), key);
         process.send(n);
       }`,
    );
  });
  afterAll(() => rm(dir, { recursive: true }));

  it.each([
    ['plain', undefined],
    ['encrypted', KEY],
  ])('is whole after each of 12 SIGKILLs amid %s writes', async (name, key) => {
    const random = new SeededRandom(3);
    const path = join(dir, name, 'config.snap');
    let writes = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const child = spawn(process.execPath, [join(dir, 'writer.mjs'), path, key ?? ''], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      writes += await killAfter(child, random.integer(0, 60));
      const text = await readSnapshot(path, key === undefined ? undefined : Buffer.from(key));
      const { n, filler } = JSON.parse(text!) as { n: number; filler: string };
      expect(filler).toBe(String(n % 10).repeat(200_000));
    }
    expect(writes).toBeGreaterThan(KILLS);
  });
});

/** Lets the child write for some messages and `ms` more, then kills it; resolves with how many writes it told of. */
async function killAfter(child: ChildProcess, ms: number): Promise<number> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  let told = 0;
  await new Promise<void>((resolve) =>
    child.on('message', (n) => {
      told = n as number;
      if (told === 2) resolve();
    }),
  );
  await new Promise((resolve) => setTimeout(resolve, ms));
  child.kill('SIGKILL');
  await gone;
  return told + 1;
}
