import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { FaultProxy } from '../../../../lib/testing/index.js';
import type { FencedResource } from './fenced-resource.js';
import { nameOf, type Ownership } from './ownership-history.js';
import type { Answer, Report, WorkerSettings } from './torture-protocol.js';

export interface Tally {
  readonly owned: Map<string, Ownership>;
  /** By lock. */
  readonly guarded: Map<string, { written: number; refused: number; unknown: number }>;
  readonly resources: Map<string, FencedResource>;
  failed: number;
  /** Workers that ended by themselves, with an error. */
  crashed: number;
  claims: number;
  /** When somebody was last heard to own each lock, in ms of `performance.now()`. */
  readonly lastSeen: Map<string, number>;
  /** The worker that acquired the lock last. */
  lastOwner: number;
}

/** One worker process behind a proxy of its own. */
export class TortureProcess {
  readonly proxy: FaultProxy;
  readonly #script: string;
  readonly #settings: WorkerSettings;
  readonly #tally: Tally;
  #child: ChildProcess;
  #closed: Promise<unknown>;
  #idle = false;

  private constructor(script: string, settings: WorkerSettings, proxy: FaultProxy, tally: Tally) {
    this.#script = script;
    this.#settings = settings;
    this.proxy = proxy;
    this.#tally = tally;
    [this.#child, this.#closed] = this.#spawn();
  }

  static async start(
    script: string,
    target: string,
    settings: Omit<WorkerSettings, 'endpoint'>,
    tally: Tally,
  ): Promise<TortureProcess> {
    const proxy = await FaultProxy.start({ target });
    return new TortureProcess(script, { ...settings, endpoint: proxy.endpoint }, proxy, tally);
  }

  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  block(ms: number): void {
    if (this.#child.connected) this.#child.send({ type: 'block', ms });
  }

  async restart(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
    [this.#child, this.#closed] = this.#spawn();
  }

  calm(): void {
    if (this.#child.connected) this.#child.send({ type: 'calm' });
  }

  /** Lets the tasks finish; resolves with whether they did within `limit` ms. The process and its sessions live on. */
  async stop(limit: number): Promise<boolean> {
    if (this.#child.connected) this.#child.send({ type: 'stop' });
    const end = performance.now() + limit;
    while (!this.#idle && performance.now() < end) await sleep(10);
    return this.#idle;
  }

  /** Lets the process end; kills it if it does not within `limit` ms, and says so. */
  async close(limit: number): Promise<boolean> {
    if (this.#child.connected) this.#child.send({ type: 'close' });
    const ended = await Promise.race([this.#closed.then(() => true), sleep(limit, false, { ref: false })]);
    this.#child.kill('SIGKILL');
    await this.#closed;
    await this.proxy.close();
    return ended;
  }

  #spawn(): [ChildProcess, Promise<unknown>] {
    const child = fork(this.#script, [JSON.stringify(this.#settings)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
    });
    child.on('message', (report: Report) => this.#receive(report, child));
    child.on('exit', (code) => (this.#tally.crashed += code === null || code === 0 ? 0 : 1));
    return [child, once(child, 'exit')];
  }

  #receive(report: Report, child: ChildProcess): void {
    const { owned, guarded, resources } = this.#tally;
    if (report.type === 'acquired') {
      const token = BigInt(report.token);
      owned.set(nameOf({ key: report.key, token }), {
        key: report.key,
        worker: this.#settings.worker,
        token,
        invoked: BigInt(report.invoked),
        returned: BigInt(report.returned),
        claims: [],
      });
      this.#tally.lastSeen.set(report.key, performance.now());
      this.#tally.lastOwner = this.#settings.worker;
    } else if (report.type === 'claims') {
      owned
        .get(nameOf({ key: report.key, token: BigInt(report.token) }))
        ?.claims.push(...report.at.map(BigInt));
      this.#tally.claims += report.at.length;
      this.#tally.lastSeen.set(report.key, performance.now());
    } else if (report.type === 'released') {
      const ownership = owned.get(nameOf({ key: report.key, token: BigInt(report.token) }));
      if (ownership) ownership.releaseInvoked = BigInt(report.invoked);
    } else if (report.type === 'guarded') {
      guarded.get(report.key)![report.outcome]++;
    } else if (report.type === 'resource') {
      const token = BigInt(report.token);
      const resource = resources.get(report.key)!;
      const result = report.action === 'read' ? resource.read(token) : resource.write(token, report.value!);
      const answer: Answer = { type: 'answer', call: report.call, ...result };
      if (child.connected) child.send(answer, () => undefined);
    } else if (report.type === 'failed') {
      this.#tally.failed++;
    } else {
      this.#idle = true;
    }
  }
}
