import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ProcessLog } from './process-log.js';

export interface ServiceProcessOptions {
  /** The folder under `dist` whose `main.js` is started. */
  readonly service: string;
  readonly instanceId: string;
  readonly port: number;
  readonly env: Readonly<Record<string, string>>;
  /** Called with every line the process prints. */
  readonly onLine?: (line: string) => void;
}

/** How long a service may take to stop by itself. */
const STOP_LIMIT = 10_000;

/** One service as a process of its own. Its log is read line by line; the channel between us ends it if we die. */
export class ServiceProcess {
  readonly service: string;
  readonly instanceId: string;
  readonly port: number;
  readonly log = new ProcessLog();
  readonly exited: Promise<number | NodeJS.Signals>;
  readonly #child: ChildProcess;
  #ended = false;

  constructor({ service, instanceId, port, env, onLine }: ServiceProcessOptions) {
    this.service = service;
    this.instanceId = instanceId;
    this.port = port;
    this.#child = fork(fileURLToPath(new URL(`../${service}/main.js`, import.meta.url)), {
      env: { ...process.env, ...env, INSTANCE_ID: instanceId, PORT: String(port) },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // Ctrl-C goes to the demo alone, which stops its fleet in order.
      detached: true,
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('error', () => resolve('SIGABRT'));
      this.#child.once('exit', () => (this.#ended = true));
      // Not at its exit: what it printed last may still be on its way.
      this.#child.once('close', (code, signal) => resolve(code ?? signal ?? 1));
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream === null) continue;
      createInterface(stream).on('line', (line) => {
        this.log.add(line);
        onLine?.(line);
      });
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return !this.#ended;
  }

  /** Whether it ended because another process was faster to take its port. */
  get lostItsPort(): boolean {
    return !this.running && this.log.last(50).some((line) => JSON.stringify(line).includes('EADDRINUSE'));
  }

  /** Why it is no longer there, as far as it could say. */
  async lastWords(): Promise<string> {
    const lines = this.log
      .last(20)
      .map((line) => `\n  ${Object.keys(line).length === 1 ? line.msg : JSON.stringify(line)}`);
    return `${this.instanceId} ended (${String(await this.exited)}); it said last:${lines.join('')}`;
  }

  /** Asks it to stop and waits; what has not stopped in time is killed. */
  async stop(): Promise<number | NodeJS.Signals> {
    if (!this.#ended) {
      const limit = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT);
      this.#child.kill('SIGTERM');
      await this.exited;
      clearTimeout(limit);
    }
    return this.exited;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}
