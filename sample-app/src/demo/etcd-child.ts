import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** An EmbeddedEtcd in a process of its own: it can be killed as a real one can. */
export class EtcdChild {
  #child: ChildProcess | undefined;

  private constructor(private readonly port: number) {}

  static async start(port: number): Promise<EtcdChild> {
    const etcd = new EtcdChild(port);
    await etcd.start();
    return etcd;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** Starts it (again), empty. */
  async start(): Promise<void> {
    const main = fileURLToPath(new URL('embedded-etcd.main.js', import.meta.url));
    const child = fork(main, [String(this.port)], { detached: true });
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`EmbeddedEtcd ended with ${code} before it listened`)));
    });
  }
}
