import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ServiceError } from '@grpc/grpc-js';
import type { ClientGrpcProxy } from '@nestjs/microservices';
import { type Observable, firstValueFrom } from 'rxjs';
import { CoordService } from '../../lib/coord/coord.service.js';
import type { CoordGrpcOptions } from '../../lib/coord/grpc/coord-grpc.options.js';
import { EtcdProcess } from '../../lib/testing/etcd-process.js';
import { freePorts } from '../../lib/testing/free-port.js';
import { type Answer, ECHO_PROTO, type Words } from '../support/grpc/echo-server.js';

const SERVER = fileURLToPath(new URL('fixtures/echo-server.mjs', import.meta.url));
let servers = 0;

/** fixtures/echo-server.mjs in a process of its own. */
export class EchoProcess {
  readonly id: string;
  readonly child: ChildProcess;

  private constructor(id: string, child: ChildProcess) {
    this.id = id;
    this.child = child;
  }

  static async start(etcd: EtcdProcess, env: Readonly<Record<string, string>> = {}): Promise<EchoProcess> {
    const id = `echo-${++servers}`;
    const [port] = await freePorts(1);
    const child = fork(SERVER, {
      env: { ...process.env, ETCD: etcd.endpoint, ID: id, PORT: String(port), PROTO: ECHO_PROTO, ...env },
    });
    const ended = once(child, 'exit').then(([code]) => [`ended with ${code}`]);
    const [said] = (await Promise.race([once(child, 'message'), ended])) as [string];
    if (said !== 'up') throw new Error(`server ${id} did not start: ${said}`);
    return new EchoProcess(id, child);
  }

  /** Ends it and waits: `SIGTERM` as an orchestrator does, `close` by app.close(), `drain` by coord.drain() before that. */
  async stop(how: 'SIGTERM' | 'close' | 'drain' = 'SIGTERM'): Promise<void> {
    const ended = once(this.child, 'exit');
    if (how === 'SIGTERM') this.child.kill(how);
    else this.child.send(how);
    await ended;
  }

  async kill(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}

/** A real etcd, servers as child processes, and a client in this one. */
export class EchoFleet {
  readonly etcd: EtcdProcess;
  readonly coord: CoordService;
  readonly servers: EchoProcess[] = [];
  readonly #all: EchoProcess[] = [];
  readonly #env: Readonly<Record<string, string>>;

  private constructor(etcd: EtcdProcess, coord: CoordService, env: Readonly<Record<string, string>>) {
    this.etcd = etcd;
    this.coord = coord;
    this.#env = env;
  }

  static async start(size: number, env: Readonly<Record<string, string>> = {}): Promise<EchoFleet> {
    const etcd = await EtcdProcess.start();
    const coord = await CoordService.connect({
      service: { name: 'client' },
      endpoints: [etcd.endpoint],
      ...(env['TTL'] !== undefined && { sessionTtl: env['TTL'] }),
    });
    const fleet = new EchoFleet(etcd, coord, env);
    await Promise.all(Array.from({ length: size }, () => fleet.add()));
    await fleet.listed(size);
    return fleet;
  }

  async add(): Promise<EchoProcess> {
    const server = await EchoProcess.start(this.etcd, this.#env);
    this.servers.push(server);
    this.#all.push(server);
    return server;
  }

  /** Waits until etcd lists so many, and returns after how many ms. */
  async listed(count: number): Promise<number> {
    const since = performance.now();
    for (;;) {
      const listed = await this.#keys();
      if (listed === count) return performance.now() - since;
      if (performance.now() - since > 30_000) throw new Error(`etcd lists ${listed} instances, not ${count}`);
      await sleep(20);
    }
  }

  /** A Nest client, connected. */
  async client(options: CoordGrpcOptions = {}): Promise<ClientGrpcProxy> {
    const proxy = this.coord.registry.clientProxy('echo', {
      package: 'echo',
      protoPath: ECHO_PROTO,
      ...options,
    });
    await this.coord.registry.warmup(proxy);
    return proxy;
  }

  async stop(): Promise<void> {
    await this.coord.close();
    for (const { child } of this.#all) child.kill('SIGKILL');
    await this.etcd.stop();
  }

  /** Read from etcd itself, never from memory. */
  async #keys(): Promise<number> {
    await using reader = await CoordService.connect({
      service: { name: 'reader' },
      endpoints: [this.etcd.endpoint],
    });
    return (await reader.registry.discover('echo')).length;
  }
}

export interface Outcome {
  /** When it began and how long it took, in ms. */
  readonly at: number;
  readonly took: number;
  readonly server: string | undefined;
  readonly failure: string | undefined;
}

/** Calls at a fixed rate, whatever becomes of those before, until stopped. */
export class EchoLoad {
  readonly outcomes: Outcome[] = [];
  readonly #say: (words: Words) => Observable<Answer>;
  readonly #open = new Set<Promise<void>>();
  readonly #done: Promise<void>;
  #running = true;
  #sent = 0;

  /** @param rate calls a second */
  constructor(proxy: ClientGrpcProxy, rate: number) {
    const echo = proxy.getService<{ say(words: Words): Observable<Answer> }>('Echo');
    this.#say = (words) => echo.say(words);
    this.#done = this.#run(rate);
  }

  get failures(): readonly string[] {
    return this.outcomes.flatMap(({ failure }) => failure ?? []);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  async #run(rate: number): Promise<void> {
    const since = performance.now();
    while (this.#running) {
      const due = Math.floor(((performance.now() - since) / 1000) * rate);
      for (; this.#sent < due && this.#running; this.#sent++) {
        const call = this.#call().finally(() => this.#open.delete(call));
        this.#open.add(call);
      }
      await sleep(5);
    }
    await Promise.all(this.#open);
  }

  async #call(): Promise<void> {
    const at = performance.now();
    const [server, failure] = await firstValueFrom(this.#say({ text: 'x' })).then(
      (answer) => [answer.server, undefined] as const,
      (error: ServiceError) => [undefined, `${error.code} ${error.details}`] as const,
    );
    this.outcomes.push({ at, took: performance.now() - at, server, failure });
  }
}
