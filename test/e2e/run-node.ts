import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const repository = fileURLToPath(new URL('../..', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

export interface NodeProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** It is killed after so many milliseconds. @default 60000 */
  readonly limit?: number;
  /** @default the repository */
  readonly cwd?: string;
}

/** A Node process of a spec, with what it printed. Whatever the spec does, it does not outlive `limit`. */
export class NodeProcess {
  output = '';
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;

  constructor(
    args: readonly string[],
    { env = {}, limit = 60_000, cwd = repository }: NodeProcessOptions = {},
  ) {
    this.#child = spawn(process.execPath, args, {
      cwd,
      env: { ...process.env, NODE_ENV: 'test', NO_COLOR: '1', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own: what it leaves behind can be seen, and ended.
      detached: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
    const timer = setTimeout(() => this.kill('SIGKILL'), limit);
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        clearTimeout(timer);
        resolve({ code, signal, output: this.output });
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves with the first match in what it prints. @throws Error with all it printed, if it ends before */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    let over = false;
    void this.ended.then(() => (over = true));
    for (;;) {
      const match = pattern.exec(this.output);
      if (match !== null) return match;
      if (over) throw new Error(`ended without printing ${pattern}; it printed:\n${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** Whether a process, or with a negative id any process of that group, is still there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
