#!/usr/bin/env node
/**
 * Packs the built package and uses it as a stranger would: installs the tarball in applications outside this
 * repository (test/consumers), checks their types, starts them (log, lock, configuration, a gRPC call through
 * coord:///) and sees that they end by themselves.
 */
import { spawn } from 'node:child_process';
import { cpSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack, root } from './pack.mjs';

const templates = join(root, 'test/consumers');
const consumers = {
  'nest12-esm': [
    ['installs', 'npm', ['install', '--no-audit', '--no-fund', '--loglevel=error']],
    ['its types check', 'npx', ['--no-install', 'tsc', '--noEmit']],
    ['has the command line', 'npx', ['--no-install', 'im-infra', '--help']],
    ['builds', 'npm', ['run', '--silent', 'build']],
    ['starts, logs, locks, calls and ends by itself', 'npm', ['run', '--silent', 'start']],
  ],
  'nest11-cjs': [
    ['installs', 'npm', ['install', '--no-audit', '--no-fund', '--loglevel=error']],
    ['its types check', 'npx', ['--no-install', 'tsc', '--noEmit']],
    ['has the command line', 'npx', ['--no-install', 'im-infra', '--help']],
    ['builds', 'npm', ['run', '--silent', 'build']],
    ['starts, logs, locks, calls and ends by itself', 'npm', ['run', '--silent', 'start']],
    ['does the same under jest', 'npm', ['run', '--silent', 'test']],
  ],
};

const usage = `usage: node scripts/consumers.mjs [--keep] [${Object.keys(consumers).join('|')}]...

Smoke-tests the packed tarball in applications of other formats and Nest versions. Needs a build and the npm registry.
  --keep   leave the applications in the temporary folder
  --help   this text
`;

const args = process.argv.slice(2);
const chosen = args.filter((arg) => !arg.startsWith('--'));
const unknown = [
  ...chosen.filter((name) => !(name in consumers)),
  ...args.filter((arg) => arg.startsWith('--') && !['--keep', '--help'].includes(arg)),
];
if (args.includes('--help') || unknown.length > 0) {
  (unknown.length > 0 ? process.stderr : process.stdout).write(usage);
  process.exit(unknown.length > 0 ? 2 : 0);
}

/** Runs to its end, killed with its children after three minutes: a consumer that hangs has failed. */
function run(command, commandArgs, cwd) {
  return new Promise((resolve) => {
    const child = spawn(command, commandArgs, { cwd, stdio: 'inherit', detached: true });
    const limit = setTimeout(() => {
      process.stdout.write(`  stopped after 180 s: ${command} ${commandArgs.join(' ')}\n`);
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    }, 180_000);
    child.once('error', () => resolve(127));
    child.once('exit', (code) => {
      clearTimeout(limit);
      resolve(code ?? 1);
    });
  });
}

const folder = mkdtempSync(join(tmpdir(), 'im-infra-consumers-'));
let passed = 0;
let failed = 0;
try {
  const tarball = await pack(folder);
  for (const name of chosen.length > 0 ? chosen : Object.keys(consumers)) {
    const home = join(folder, name);
    cpSync(join(templates, name), home, { recursive: true });
    cpSync(join(templates, 'shared'), home, { recursive: true });
    copyFileSync(tarball, join(home, 'im-infra.tgz'));
    for (const [what, command, commandArgs] of consumers[name]) {
      process.stdout.write(`${name}: ${what}\n`);
      const from = performance.now();
      const code = await run(command, commandArgs, home);
      const seconds = ((performance.now() - from) / 1000).toFixed(1);
      process.stdout.write(
        `${name}: ${what}: ${code === 0 ? 'ok' : `FAILED (${code})`} after ${seconds} s\n`,
      );
      if (code !== 0) {
        failed++;
        break;
      }
      passed++;
    }
  }
} finally {
  if (args.includes('--keep')) process.stdout.write(`left in ${folder}\n`);
  else rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
