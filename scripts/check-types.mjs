#!/usr/bin/env node
/**
 * Asks "are the types wrong?" of the packed tarball: what `import` and `require` resolve to under every module
 * resolution, and whether the declarations tell the truth about it.
 *
 *   npm run build && node scripts/check-types.mjs
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack, root } from './pack.mjs';

const folder = mkdtempSync(join(tmpdir(), 'im-infra-types-'));
try {
  const tarball = await pack(folder);
  const attw = join(root, 'node_modules/.bin/attw');
  const { status } = spawnSync(attw, [tarball, '--format', 'ascii', '--no-emoji'], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
