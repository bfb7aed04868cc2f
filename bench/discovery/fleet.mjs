import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { firstValueFrom } from 'rxjs';
import { EtcdProcess, freePort } from './testing.mjs';
import { CoordService } from '../../dist/esm/index.js';
import { ECHO_PROTO } from './echo.mjs';

const SERVER = fileURLToPath(new URL('server.mjs', import.meta.url));
let servers = 0;

/** One Nest server in a process of its own. */
export class ServerProcess {
  constructor(id, port, child) {
    this.id = id;
    this.port = port;
    this.child = child;
  }

  static async start(etcd, env = {}) {
    const id = env.ID ?? `echo-${++servers}`;
    const port = Number(env.PORT ?? (await freePort()));
    const child = fork(SERVER, {
      env: { ...process.env, ...env, ETCD: etcd.endpoint, ID: id, PORT: String(port) },
    });
    const [said] = await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => [`exit ${code}`]),
    ]);
    if (said !== 'up') throw new Error(`server ${id} did not start: ${said}`);
    return new ServerProcess(id, port, child);
  }

  /** Ends it as an orchestrator does. */
  async stop() {
    this.child.kill('SIGTERM');
    await once(this.child, 'exit');
  }

  async kill(signal = 'SIGKILL') {
    this.child.kill(signal);
    if (signal === 'SIGKILL') await once(this.child, 'exit');
  }
}

/** etcd, a client in this process, and servers as child processes. */
export class Fleet {
  servers = [];

  static async start({ size = 3, ttl = '15s', env = {} } = {}) {
    const fleet = new Fleet();
    fleet.env = { TTL: ttl, ...env };
    fleet.etcd = await EtcdProcess.start();
    fleet.coord = await CoordService.connect({
      service: { name: 'bench' },
      endpoints: [fleet.etcd.endpoint],
      sessionTtl: ttl,
    });
    fleet.servers = await Promise.all(
      Array.from({ length: size }, () => ServerProcess.start(fleet.etcd, fleet.env)),
    );
    await fleet.listed(size);
    return fleet;
  }

  async add() {
    const server = await ServerProcess.start(this.etcd, this.env);
    this.servers.push(server);
    return server;
  }

  async listed(count) {
    while ((await this.coord.registry.discover('echo')).length !== count) await sleep(20);
  }

  /** How many instances etcd lists, read on a connection of its own. */
  async keys() {
    this.reader ??= await CoordService.connect({
      service: { name: 'reader' },
      endpoints: [this.etcd.endpoint],
    });
    return (await this.reader.registry.discover('echo', { timeout: 500 }).catch(() => [])).length;
  }

  /** A Nest client, connected to everybody. */
  async client(options = {}) {
    const proxy = this.coord.registry.clientProxy('echo', {
      package: 'echo',
      protoPath: ECHO_PROTO,
      ...options,
    });
    await this.coord.registry.warmup(proxy);
    return proxy;
  }

  async stop() {
    await Promise.all([this.coord.close(), this.reader?.close()]);
    for (const { child } of this.servers) child.kill('SIGKILL');
    await this.etcd.stop();
  }
}

/** Calls at a fixed rate, each counted by who answered, until stopped. */
export class Load {
  sent = 0;
  answered = new Map();
  failures = [];
  lastAnswer = new Map();
  latencies = [];
  /** Calls that took longer than a quarter of a second. */
  slow = [];
  #running = true;
  #open = new Set();
  #done;

  /** @param {number} rate calls a second */
  constructor(proxy, rate, words = { text: 'x' }) {
    this.echo = proxy.getService('Echo');
    this.words = words;
    this.#done = this.#run(rate);
  }

  async #run(rate) {
    const since = performance.now();
    while (this.#running) {
      const due = Math.floor(((performance.now() - since) / 1000) * rate);
      while (this.sent < due && this.#running) this.#call();
      await sleep(2);
    }
    await Promise.all(this.#open);
  }

  #call() {
    this.sent++;
    const at = performance.now();
    const call = firstValueFrom(this.echo.say(this.words))
      .then(
        ({ server }) => {
          const now = performance.now();
          this.latencies.push(now - at);
          if (now - at > 250) this.slow.push({ at, now, server });
          this.answered.set(server, (this.answered.get(server) ?? 0) + 1);
          this.lastAnswer.set(server, { at, now });
        },
        (error) =>
          this.failures.push({ at, took: performance.now() - at, code: error.code, details: error.details }),
      )
      .finally(() => this.#open.delete(call));
    this.#open.add(call);
  }

  async stop() {
    this.#running = false;
    await this.#done;
  }
}
