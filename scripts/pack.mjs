import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Packs the built package as `npm publish` would and returns the tarball's path. */
export async function pack(folder) {
  const { stdout } = await promisify(execFile)(
    'npm',
    ['pack', '--ignore-scripts', '--json', '--pack-destination', folder],
    { cwd: root, maxBuffer: 16 * 1024 * 1024 },
  );
  return join(folder, JSON.parse(stdout)[0].filename);
}
