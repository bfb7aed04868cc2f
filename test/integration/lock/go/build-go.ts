import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onPath } from '../../../../lib/testing/on-path.js';

/** Debian's `golang-etcd-server-dev` puts etcd's own client here. */
const GOPATH = '/usr/share/gocode';

/** Why Go programs on etcd's own client cannot be built here; `undefined` if they can. */
export function goMissing(): string | undefined {
  if (onPath('go') === undefined) return 'no Go on PATH (Debian: golang-go)';
  const client = join(GOPATH, 'src/go.etcd.io/etcd/clientv3');
  return existsSync(client) ? undefined : `no ${client} (Debian: golang-etcd-server-dev)`;
}

/** Builds `source` into `folder`; returns the path of the program. */
export async function buildGo(source: string, folder: string): Promise<string> {
  const program = join(folder, 'program');
  await promisify(execFile)('go', ['build', '-o', program, source], {
    env: { ...process.env, GO111MODULE: 'off', GOPATH, GOFLAGS: '' },
  });
  return program;
}
