import type { ResolvedService } from '../../options/service.js';
import { Backoff, pause } from '../etcd/backoff.js';
import { type Clock, systemClock } from '../etcd/clock.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import { type RegisterOptions, type ResolvedRegister, resolveRegister } from './register.options.js';
import type { OwnServers } from './own-servers.js';
import type { Registrar } from './registrar.js';
import type { Registration } from './registration.js';
import { acceptsConnections } from './tcp-probe.js';

/** The own port is tried this often until it answers, in ms: a start-up is not slowed down, a loopback connect is cheap. */
const PROBE_INTERVAL = 50;

/**
 * A port that answers for this long, in ms, although no server of ours listens on it or has tried to, is one that leads to
 * us in another way: mapped by a container engine, served by a worker thread or a process beside.
 */
const MAPPED_AFTER = 5_000;

/** After this long without a server a warning is due, in ms; it is repeated each time the wait has doubled. */
const FIRST_WARNING = 10_000;

export interface SelfRegistrationDeps {
  readonly logger: CoordLogger;
  readonly servers: Pick<OwnServers, 'listenOn' | 'onTaken'>;
  readonly clock?: Clock;
  /** Whether the server that listens serves yet. @default a TCP connect */
  readonly probe?: (host: string, port: number) => Promise<boolean>;
}

/**
 * Publishes the own process while it can serve: {@link start} waits in the background until a server of this process
 * listens on the port and answers there, then registers; {@link stop} marks the instance as draining, lets that spread, and
 * deletes it. What another process answers on the port is never published while our own server cannot have it.
 *
 * Nest listens after the bootstrap hooks, a hybrid application's microservices before them: hence it is watched and not
 * derived from a hook.
 */
export class SelfRegistration {
  readonly #options: ResolvedRegister;
  readonly #registrar: Pick<Registrar, 'register'>;
  readonly #logger: CoordLogger;
  readonly #servers: Pick<OwnServers, 'listenOn' | 'onTaken'>;
  readonly #clock: Clock;
  readonly #probe: (host: string, port: number) => Promise<boolean>;
  readonly #stopping = new AbortController();
  /** A server of this process could not have the port: somebody else has it. */
  #taken = false;
  #registration: Registration | undefined;
  #running: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;

  /** Throws a `ValidationError` for options that cannot be published. */
  constructor(
    options: RegisterOptions,
    service: ResolvedService,
    registrar: Pick<Registrar, 'register'>,
    deps: SelfRegistrationDeps,
  ) {
    this.#options = resolveRegister(options, service);
    this.#registrar = registrar;
    this.#logger = deps.logger;
    this.#servers = deps.servers;
    this.#clock = deps.clock ?? systemClock;
    this.#probe = deps.probe ?? acceptsConnections;
  }

  /** What this process publishes, once it has. */
  get registration(): Registration | undefined {
    return this.#registration;
  }

  /** Begins to watch the port and returns at once; an application that never listens is not held up. Idempotent. */
  start(): void {
    this.#running ??= this.#run();
  }

  /**
   * Drain mark, `drainDelay`, delete: when it resolves, no client chooses this process any more. Bounded, idempotent, and
   * quick if nothing was published. Never rejects: a stop must go on.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { instance, ttl, drainDelay } = this.#options;
    const stopListening = this.#servers.onTaken((port) => this.#onTaken(port));
    signal.addEventListener('abort', stopListening, { once: true });
    if (!(await this.#serves(signal))) return;
    const backoff = new Backoff({ first: 500, most: 5_000 });
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        this.#registration = await this.#registrar.register(instance, {
          signal,
          drainDelay,
          ...(ttl && { ttl }),
        });
        if (this.#taken) this.#takeBack();
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (attempt === 1) this.#logger.warn('this process could not be registered yet', { err: error });
        await pause(this.#clock, backoff.next(), signal);
      }
    }
  }

  #onTaken(port: number): void {
    if (port !== this.#options.instance.port || this.#taken || this.#servers.listenOn(port)) return;
    this.#taken = true;
    this.#takeBack();
    this.#logger.warn(
      'this process is not registered: register.port is in use; it takes a port on which no other process listens',
      { port },
    );
  }

  /** It was published as a mapped port, and is a stranger's. */
  #takeBack(): void {
    this.#registration?.deregister().catch(() => undefined); // it goes on by itself
  }

  async #serves(signal: AbortSignal): Promise<boolean> {
    const { address, port } = this.#options.instance;
    const since = this.#clock.now();
    let mappedSince = Infinity;
    let warnAt = FIRST_WARNING;
    while (!signal.aborted) {
      const own = this.#servers.listenOn(port);
      if ((own || !this.#taken) && (await this.#answers())) {
        const now = this.#clock.now();
        mappedSince = Math.min(mappedSince, now);
        if (own) return !signal.aborted;
        if (now - mappedSince >= MAPPED_AFTER) {
          this.#logger.info(
            'no server of this process listens on the port that is published: taken for a mapped one',
            {
              address,
              port,
            },
          );
          return !signal.aborted;
        }
      } else mappedSince = Infinity;
      const waited = this.#clock.now() - since;
      if (waited >= warnAt) {
        warnAt *= 2;
        this.#logger.warn('this process is not registered: no server of its own serves on its port', {
          address,
          port,
          waited: Math.round(waited),
        });
      }
      await pause(this.#clock, PROBE_INTERVAL, signal);
    }
    return false;
  }

  /** A server may be bound to the published address only, or to the loopback address only. */
  async #answers(): Promise<boolean> {
    const { address, port } = this.#options.instance;
    return (await this.#probe('127.0.0.1', port)) || this.#probe(address, port);
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#registration?.leave();
  }
}
