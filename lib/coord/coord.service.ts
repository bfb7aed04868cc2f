import type { Observable } from 'rxjs';
import { ClosedError } from '../errors/closed.error.js';
import { ValidationError } from '../errors/validation.error.js';
import { type ResolvedService, resolveService, type ServiceOptions } from '../options/service.js';
import { ConfigCenter } from './config/config.center.js';
import { type ConfigOptions, resolveConfigOptions } from './config/config.options.js';
import { type CoordOptions, resolveCoordOptions } from './coord.options.js';
import { type CoordLogger, silentLogger } from './etcd/coord-logger.js';
import { EtcdClient } from './etcd/etcd.client.js';
import type { CallOptions, CoordStatus } from './etcd/etcd.options.js';
import { holdProcess, waitAtMost } from './etcd/hold-process.js';
import type { RoomContext } from './etcd/room-context.js';
import { ownPortServes } from './grpc/own-port.js';
import { ServiceRegistry } from './grpc/service-registry.js';
import { ElectionService } from './election/election.service.js';
import type { AllocatorOptions } from './allocator/allocator.options.js';
import { InstanceIdAllocator } from './allocator/instance-id.allocator.js';
import { LockService } from './lock/lock.service.js';
import { OwnServers } from './registry/own-servers.js';
import type { RegisterOptions } from './registry/register.options.js';
import { SelfRegistration } from './registry/self-registration.js';

/**
 * How long the rooms, and after them the connection, may take to close when etcd does not answer, in ms. With the 500 ms
 * of the drain mark that is less than the 2 s within which a stopped application ends.
 */
const CLOSE_LIMIT = 400;

export interface CoordConnectOptions extends CoordOptions {
  readonly service: ServiceOptions;
}

export interface CoordDeps {
  /** Where the coordination side logs; a `ClogService` is one. @default nowhere */
  readonly clog?: CoordLogger;
}

/**
 * The coordination rooms on one connection to etcd: registry, configuration, locks, elections, instance ids.
 *
 * @example
 * await using coord = await CoordService.connect({ service: { name: 'importer' }, endpoints: ['127.0.0.1:2379'] });
 * await coord.lock.using('import', {}, async () => importAll());
 */
export class CoordService implements AsyncDisposable {
  readonly registry: ServiceRegistry;
  readonly config: ConfigCenter;
  readonly lock: LockService;
  readonly election: ElectionService;
  readonly #context: RoomContext;
  readonly #allocators = new Map<string, InstanceIdAllocator>();
  readonly #client: EtcdClient;
  readonly #service: ResolvedService;
  readonly #logger: CoordLogger;
  readonly #servers = new OwnServers();
  readonly #announcements = new Set<SelfRegistration>();
  #closed: Promise<void> | undefined;

  private constructor(context: RoomContext, config: ConfigOptions | undefined) {
    this.#context = context;
    this.#client = context.client;
    this.#service = context.service;
    this.#logger = context.logger;
    this.registry = new ServiceRegistry(context);
    this.config = new ConfigCenter(context, config);
    this.lock = new LockService(context);
    this.election = new ElectionService(context);
  }

  /**
   * Connects. Rejects with a `ValidationError` that names a wrong option, and with a `CoordUnavailableError` that names
   * the endpoints when none answers within `dialTimeout`; with `optional: true` it resolves then too, and the
   * connection is made when etcd is there. Whoever connects closes.
   */
  static async connect(
    { service, ...options }: CoordConnectOptions,
    { clog = silentLogger }: CoordDeps = {},
    { signal }: CallOptions = {},
  ): Promise<CoordService> {
    const who = resolveService(service);
    const { etcd, optional, ...rest } = resolveCoordOptions(options);
    // Refused before anything is opened that would have to be closed again.
    resolveConfigOptions({ prefixes: rest.prefixes, service: who }, options.config);
    const client = EtcdClient.create(etcd, { logger: clog, owner: who.instanceId });
    const endpoints = etcd.endpoints.map(({ address }) => address);
    const { dialTimeout } = etcd;
    const context = { client, endpoints, service: who, logger: clog, dialTimeout, ...rest };
    const coord = new CoordService(context, options.config);
    try {
      await holdProcess(client.ready({ ...(signal && { signal }) }));
    } catch (error) {
      if (!optional || signal?.aborted) {
        await coord.close();
        throw error;
      }
      clog.warn('started without etcd', { err: error });
    }
    return coord;
  }

  /**
   * Numbers from 1 to `maxId` that no two processes of `serviceName` have at once; one allocator for each of the two.
   * The options of the first call count.
   */
  allocator(serviceName: string, maxId: number, options?: AllocatorOptions): InstanceIdAllocator {
    if (this.#closed) throw new ClosedError('the coordination service is closed');
    const key = `${serviceName}/${maxId}`;
    let allocator = this.#allocators.get(key);
    if (!allocator) {
      allocator = new InstanceIdAllocator(this.#context, serviceName, maxId, options);
      this.#allocators.set(key, allocator);
    }
    return allocator;
  }

  /** The state of the connection: replays the latest, never errors, completes on close. */
  get status$(): Observable<CoordStatus> {
    return this.#client.status$;
  }

  get status(): CoordStatus {
    return this.#client.status;
  }

  /**
   * Publishes this process under its service name as soon as a server of its own listens on the port and accepts
   * connections, until {@link drain} or {@link close}. Returns at once.
   */
  announce(options: RegisterOptions): void {
    if (this.#closed) throw new ClosedError('the coordination service is closed');
    const announcement = new SelfRegistration(options, this.#service, this.registry, {
      logger: this.#logger,
      servers: this.#servers,
      probe: ownPortServes,
    });
    this.#announcements.add(announcement);
    announcement.start();
  }

  /**
   * Takes this process out of the registry, and all else that it registered: marks it as draining, waits for that to
   * spread, deletes it. When it resolves no client chooses this process any more. A pure Nest microservice calls it before `app.close()`, which
   * closes the server first. Bounded and idempotent; never rejects.
   */
  async drain(): Promise<void> {
    const stops = [...this.#announcements].map((announcement) => announcement.stop());
    await holdProcess(Promise.all([...stops, this.registry.drain()]));
  }

  /** Releases all it holds, and ends the connection; the process can then exit. Bounded and idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.drain();
    this.#servers.close();
    // Before the rooms' time begins: what still runs under a lock has a moment to end.
    await holdProcess(this.lock.end());
    const rooms = [this.election, this.lock, ...this.#allocators.values(), this.registry, this.config];
    // What a room could not give back in time goes with its lease, which the client revokes, unless it has to rest.
    await waitAtMost(CLOSE_LIMIT, Promise.all(rooms.map((room) => this.#closeRoom(room))));
    await holdProcess(this.#client.close({ timeout: CLOSE_LIMIT }));
  }

  async #closeRoom(room: { close(): Promise<void> }): Promise<void> {
    try {
      await room.close();
    } catch (error) {
      this.#logger.warn('a room did not close cleanly', { err: error });
    }
  }
}

/** What takes the place of the service in an application that was given no `coord` options: it says so when used. */
export function absentCoord(): CoordService {
  return new Proxy(Object.create(null) as CoordService, {
    get(_, property) {
      // Nest awaits what a factory gives and asks every provider for its lifecycle hooks.
      if (
        typeof property === 'symbol' ||
        property === 'then' ||
        /^(on|before)[A-Z]|^constructor$/.test(property)
      ) {
        return undefined;
      }
      throw new ValidationError(
        'coord',
        `options (endpoints of etcd) where CoordService.${property} is used`,
      );
    },
  });
}
