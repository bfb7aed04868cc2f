#!/usr/bin/env node
/**
 * Builds the package (dist/esm and dist/cjs, one plain tsc pass each) and the sample application (sample-app/dist).
 *
 *   node scripts/build.mjs [--force] [--lib]
 *
 * A part whose sources have not changed since its last good build is left alone: a stamp beside the output keeps the
 * hash of their contents, so neither a fresh checkout's file times nor a switched branch can fool it. Output is made
 * in a folder beside the old one and takes its place at the end: who runs from dist/ never sees half a build.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
const force = process.argv.includes('--force');
const libraryOnly = process.argv.includes('--lib');

/** All files below the given paths, sorted: the order decides the hash. */
async function filesIn(path) {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function fingerprint(folders, files) {
  const all = [...(await Promise.all(folders.map(filesIn))).flat(), ...files].sort((a, b) =>
    a < b ? -1 : 1,
  );
  const contents = await Promise.all(all.map((file) => readFile(file)));
  const hash = createHash('sha256').update(process.version);
  for (const [index, file] of all.entries()) {
    hash.update(`${relative(root, file)}\0${contents[index].length}\0`).update(contents[index]);
  }
  return hash.digest('hex');
}

function compile(project, outDir) {
  return new Promise((resolve, reject) => {
    const args = [tsc, '-p', project, '--outDir', outDir, '--noEmitOnError', '--pretty', 'false'];
    const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`${project} does not compile (tsc ended with ${code})`)),
    );
  });
}

/** Puts a finished folder in the place of the old one. */
async function replace(next, target) {
  const old = `${target}.old-${process.pid}`;
  await rename(target, old).catch((error) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rename(next, target);
  await rm(old, { recursive: true, force: true });
}

async function upToDate(stamp, print) {
  return !force && (await readFile(stamp, 'utf8').catch(() => '')) === print;
}

async function build({ name, out, stamp, print, parts, finish }) {
  if (await upToDate(stamp, print)) return;
  const started = performance.now();
  await mkdir(out, { recursive: true });
  const made = parts.map(({ project, folder }) => ({
    project,
    target: folder,
    next: `${folder}.next-${process.pid}`,
  }));
  try {
    await Promise.all(made.map(({ project, next }) => compile(project, next)));
    await finish?.(Object.fromEntries(made.map(({ target, next }) => [relative(out, target), next])));
    await rm(stamp, { force: true });
    for (const { next, target } of made) await replace(next, target);
    await writeFile(stamp, print);
  } finally {
    await Promise.all(made.map(({ next }) => rm(next, { recursive: true, force: true })));
  }
  process.stderr.write(`built ${name} in ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
}

async function main() {
  const configs = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'tsconfig.cjs.json'].map((file) =>
    join(root, file),
  );
  const self = fileURLToPath(import.meta.url);
  const libPrint = await fingerprint([join(root, 'lib')], [...configs, self]);

  await build({
    name: 'im-infra',
    out: join(root, 'dist'),
    stamp: join(root, 'dist/.stamp'),
    print: libPrint,
    parts: [
      { project: 'tsconfig.build.json', folder: join(root, 'dist/esm') },
      { project: 'tsconfig.cjs.json', folder: join(root, 'dist/cjs') },
    ],
    finish: async ({ esm, cjs }) => {
      await writeFile(join(cjs, 'package.json'), '{ "type": "commonjs" }\n');
      await chmod(join(esm, 'cli/main.js'), 0o755);
    },
  });

  if (!libraryOnly) {
    const sample = join(root, 'sample-app');
    const own = await fingerprint(
      [join(sample, 'src')],
      [join(sample, 'tsconfig.json'), join(sample, 'package.json')],
    );
    await build({
      name: 'sample-app',
      out: sample,
      stamp: join(sample, 'dist/.stamp'),
      print: `${libPrint} ${own}`,
      parts: [{ project: 'sample-app/tsconfig.json', folder: join(sample, 'dist') }],
    });
  }
}

await main().catch((error) => {
  process.stderr.write(`build: ${error.message}\n`);
  process.exitCode = 1;
});
