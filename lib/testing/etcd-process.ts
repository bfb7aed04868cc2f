import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CoordUnavailableError } from '../errors/coord-unavailable.error.js';
import { compactEtcd } from './compact-etcd.js';
import { freePorts } from './free-port.js';
import { tieToThisProcess } from './life-line.js';

export interface EtcdProcessOptions {
  /** The program. @default `etcd`, looked up on PATH */
  readonly program?: string;
  /** The port on 127.0.0.1 for clients. @default a free one */
  readonly port?: number;
  /** Further arguments, for example `['--auth-token', 'simple']`. They win over ours. */
  readonly args?: readonly string[];
  /** How long the start may take, in milliseconds. @default 20000 */
  readonly startTimeout?: number;
  /** Wait until etcd answers before the promise resolves; a member of a new cluster cannot before the others. @default true */
  readonly waitHealthy?: boolean;
}

export interface RestartOptions {
  /** How long it stays away, in milliseconds. @default 0 */
  readonly down?: number;
  /** @default 'SIGKILL' */
  readonly signal?: 'SIGKILL' | 'SIGTERM';
  /** As in {@link EtcdProcessOptions}. @default true */
  readonly waitHealthy?: boolean;
}

/** How long etcd may take to end after SIGTERM before it is killed. */
const STOP_GRACE = 3_000;

/**
 * A real etcd as a child process, data in a temporary folder, on 127.0.0.1. It dies with this process, however that ends,
 * and `stop()` removes its data. Signals, restarts on the same data and port, and a wipe are for tests of failure.
 */
export class EtcdProcess implements AsyncDisposable {
  readonly #options: EtcdProcessOptions;
  readonly #folder = mkdtempSync(join(tmpdir(), 'im-infra-etcd-'));
  #child: ChildProcess | undefined;
  /** Why it could not be spawned. */
  #failure: Error | undefined;
  #untie: () => void = () => {};
  #exited: Promise<void> = Promise.resolve();

  private constructor(
    options: EtcdProcessOptions,
    readonly port: number,
    readonly peerPort: number,
    /** Answers `/health` in plain HTTP, also when clients must use TLS. */
    readonly metricsPort: number,
  ) {
    this.#options = options;
  }

  /** Starts one; once more, on other ports, if another process was faster to take one that was free. */
  static async start(options: EtcdProcessOptions = {}): Promise<EtcdProcess> {
    try {
      return await EtcdProcess.#startOnce(options);
    } catch (error) {
      if (!(error as Error).message.includes('address already in use')) throw error;
      return EtcdProcess.#startOnce(options);
    }
  }

  static async #startOnce(options: EtcdProcessOptions): Promise<EtcdProcess> {
    const [port, peerPort, metricsPort] = await freePorts(3);
    const etcd = new EtcdProcess(options, options.port ?? port!, peerPort!, metricsPort!);
    try {
      await etcd.start(options);
    } catch (error) {
      await etcd.stop();
      throw error;
    }
    return etcd;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  get #program(): string {
    return this.#options.program ?? 'etcd';
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  /** The end of what etcd printed. */
  get output(): string {
    try {
      return readFileSync(join(this.#folder, 'etcd.log'), 'utf8').slice(-4_000);
    } catch {
      return '';
    }
  }

  /** Starts it (again), on the same port and with what is left of its data, and waits until it answers for its cluster. */
  async start({ waitHealthy = true }: { readonly waitHealthy?: boolean } = {}): Promise<void> {
    if (this.#child !== undefined) return;
    const output = openSync(join(this.#folder, 'etcd.log'), 'a');
    const child = spawn(this.#program, this.#arguments(), {
      stdio: ['ignore', output, output],
      env: ownEnvironment(),
    });
    closeSync(output);
    this.#child = child;
    this.#failure = undefined;
    this.#exited = new Promise((resolve) => {
      const ended = (error?: Error): void => {
        this.#failure = error;
        if (this.#child === child) this.#child = undefined;
        this.#untie();
        resolve();
      };
      child.once('error', ended);
      child.once('exit', () => ended());
    });
    child.unref();
    if (child.pid !== undefined) this.#untie = tieToThisProcess(child.pid, this.#folder);
    if (waitHealthy) await this.healthy();
  }

  /** Waits until it answers for its cluster. */
  async healthy(timeout = this.#options.startTimeout ?? 20_000): Promise<void> {
    const deadline = performance.now() + timeout;
    while (!(await isHealthy(this.metricsPort))) {
      if (this.#child === undefined || performance.now() > deadline) {
        const what = this.#child === undefined ? 'ended' : `was not healthy within ${timeout} ms`;
        const said = this.#failure === undefined ? `; it said:\n${this.output}` : '';
        throw new CoordUnavailableError(
          `${this.#program} at ${this.endpoint} ${what}${said}`,
          this.#failure && { cause: this.#failure },
        );
      }
      await sleep(20);
    }
  }

  /** Sends a signal; with SIGKILL and SIGTERM, waits for the end. */
  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    this.#child?.kill(signal);
    await this.#exited;
  }

  /** Stops the process as a debugger would: connections stay open, nothing answers. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Kills it, waits `down` milliseconds and starts it on the same data and port. */
  async restart(options: RestartOptions = {}): Promise<void> {
    await this.kill(options.signal ?? 'SIGKILL');
    if (options.down !== undefined) await sleep(options.down);
    await this.start(options);
  }

  /** Kills it, throws its data away and starts a new cluster on the same port. */
  async wipe(): Promise<void> {
    await this.kill();
    rmSync(join(this.#folder, 'data'), { recursive: true, force: true });
    await this.start();
  }

  /**
   * Forgets what happened before `revision`, also on disk; whoever watches from before it is cancelled. Resolves with it.
   * It must be reachable without TLS and without a user.
   *
   * @param revision @default the newest
   */
  async compact(revision?: bigint): Promise<bigint> {
    return compactEtcd(this.endpoint, revision);
  }

  /** Ends it and removes its data. Idempotent. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child !== undefined) {
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE).unref();
      // Continue first: a stopped process does not see SIGTERM.
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      child.ref();
      await this.#exited;
      clearTimeout(timer);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #arguments(): string[] {
    const [client, peer] = [`http://127.0.0.1:${this.port}`, `http://127.0.0.1:${this.peerPort}`];
    return [
      ['--name', 'default', '--data-dir', join(this.#folder, 'data'), '--unsafe-no-fsync'],
      ['--listen-client-urls', client, '--advertise-client-urls', client],
      ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      [
        '--listen-metrics-urls',
        `http://127.0.0.1:${this.metricsPort}`,
        '--initial-cluster',
        `default=${peer}`,
      ],
      ['--logger', 'zap', '--log-level', 'warn'],
      this.#options.args ?? [],
    ].flat();
  }
}

/** etcd reads a setting from every variable ETCD_…: those of this process are not meant for it. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('ETCD_'));
  return { ...Object.fromEntries(kept), ETCD_UNSUPPORTED_ARCH: process.arch };
}

function isHealthy(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(
      { host: '127.0.0.1', port, path: '/health', agent: false, timeout: 500 },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (text: string) => (body += text));
        response.on('end', () => resolve(body.includes('"true"')));
        response.on('error', () => resolve(false));
      },
    );
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}
