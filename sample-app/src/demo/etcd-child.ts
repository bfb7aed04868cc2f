import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** An EmbeddedEtcd in a process of its own: it can be killed as a real one can. */
export class EtcdChild {
  #child: ChildProcess | undefined;
  #endpoint = '';

  static async start(): Promise<EtcdChild> {
    const etcd = new EtcdChild();
    await etcd.restart();
    return etcd;
  }

  get endpoint(): string {
    return this.#endpoint;
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

  /** Starts it, empty, on a port of its choice; or again, on the one it had. */
  async restart(): Promise<void> {
    const main = fileURLToPath(new URL('embedded-etcd.main.js', import.meta.url));
    const child = fork(main, this.#endpoint.split(':').slice(1), { detached: true });
    this.#child = child;
    this.#endpoint = await new Promise<string>((resolve, reject) => {
      child.once('message', (endpoint) => resolve(endpoint as string));
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`EmbeddedEtcd ended with ${code} before it listened`)));
    });
  }
}
