import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Debian's `golang-etcd-server-dev` puts etcd's own client here. */
const GOPATH = '/usr/share/gocode';

/**
 * Builds a Go program against etcd's own client, to measure beside us. Undefined where Go or the client is missing
 * (Debian: apt-get install --no-install-recommends golang-go golang-etcd-server-dev).
 *
 * @param {string} source the .go file
 * @returns {GoProgram | undefined}
 */
export function buildGo(source) {
  if (!existsSync(join(GOPATH, 'src/go.etcd.io/etcd/clientv3'))) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'im-infra-go-'));
  const program = join(folder, 'bench');
  try {
    execFileSync('go', ['build', '-o', program, source], {
      env: { ...process.env, GO111MODULE: 'off', GOPATH, GOCACHE: join(folder, 'cache'), GOFLAGS: '' },
      stdio: 'inherit',
    });
  } catch (error) {
    console.log(`no comparison with Go: ${error.message}`);
    rmSync(folder, { recursive: true, force: true });
    return undefined;
  }
  return new GoProgram(program, folder);
}

/** A program that takes a command a line on standard input and answers with one line of JSON. */
class GoProgram {
  #child;
  #lines;
  #folder;
  /** The path of the program, for whoever wants to run several. */
  program;

  constructor(program, folder) {
    this.program = program;
    this.#folder = folder;
    this.#child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** @param {...(string | number)} words */
  async ask(...words) {
    this.#child.stdin.write(`${words.join(' ')}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the Go program ended');
    return JSON.parse(value);
  }

  close() {
    this.#child.stdin.end();
    this.#child.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
