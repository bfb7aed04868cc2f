import { Server, ServerCredentials } from '@grpc/grpc-js';
import { ValidationError } from '../errors/validation.error.js';
import { checkInteger } from '../options/check.js';
import { EmbeddedFaults } from './embedded-faults.js';
import { FaultProxy } from './faults/fault-proxy.js';
import { authService } from './embedded/auth-service.js';
import { kvService } from './embedded/kv-service.js';
import { leaseService } from './embedded/lease-service.js';
import { clusterService, maintenanceService } from './embedded/maintenance-service.js';
import { etcdService } from './embedded/proto.js';
import { ServerState } from './embedded/server-state.js';
import { type WatchStream } from './embedded/watch-stream.js';
import { watchService } from './embedded/watch-service.js';

export interface EmbeddedEtcdOptions {
  /** The port on 127.0.0.1 to listen on. @default a free one */
  readonly port?: number;
  /** How often a quiet watch that asked for it is told the newest revision, in ms. @default 600000, ten minutes as etcd */
  readonly progressInterval?: number;
}

const PROGRESS_INTERVAL = 10 * 60 * 1_000;

/** What etcd takes in: its request limit and an allowance of 512 KiB. */
const MAX_RECEIVE_BYTES = 2 * 1024 * 1024;

/**
 * An etcd for tests, development and demos: one process, nothing on disk, etcd's v3 protocol on a real socket.
 *
 * It answers KV, Watch, Lease and the parts of Auth, Cluster and Maintenance that clients use, with etcd's revisions,
 * headers and error texts. It replicates nothing and forgets everything when it stops, so it refuses to start with
 * `NODE_ENV=production`.
 */
export class EmbeddedEtcd implements AsyncDisposable {
  readonly #state: ServerState;
  readonly #streams: ReadonlySet<WatchStream>;
  readonly #server: Server;
  readonly #front: FaultProxy;
  readonly #progress: NodeJS.Timeout;
  /** What can go wrong, on demand. */
  readonly faults: EmbeddedFaults;

  private constructor(
    state: ServerState,
    streams: Set<WatchStream>,
    server: Server,
    front: FaultProxy,
    progressInterval: number,
  ) {
    this.#state = state;
    this.#streams = streams;
    this.#server = server;
    this.#front = front;
    this.#progress = setInterval(() => {
      for (const stream of streams) stream.tick();
    }, progressInterval).unref();
    this.faults = new EmbeddedFaults(state, front);
  }

  static async start(options: EmbeddedEtcdOptions = {}): Promise<EmbeddedEtcd> {
    const { progressInterval = PROGRESS_INTERVAL, ...where } = options;
    checkInteger('progressInterval', progressInterval, 1, 2 ** 31 - 1);
    if (process.env['NODE_ENV'] === 'production') {
      throw new ValidationError(
        'NODE_ENV',
        'anything but "production" for an embedded etcd: it keeps nothing and replicates nothing. Start a real etcd',
        'production',
      );
    }
    const state = new ServerState();
    const streams = new Set<WatchStream>();
    const server = new Server({
      'grpc.max_receive_message_length': MAX_RECEIVE_BYTES,
      'grpc.max_send_message_length': -1,
    });
    server.addService(etcdService('KV'), kvService(state));
    server.addService(etcdService('Watch'), watchService(state, streams));
    server.addService(etcdService('Lease'), leaseService(state));
    server.addService(etcdService('Auth'), authService(state));
    server.addService(etcdService('Maintenance'), maintenanceService(state));
    // Clients come in through a proxy: it can do to their connections what a network does.
    const inner = await bind(server);
    const front = await FaultProxy.start({ ...where, target: `127.0.0.1:${inner}` }).catch(
      (error: unknown) => {
        server.forceShutdown();
        throw error;
      },
    );
    server.addService(etcdService('Cluster'), clusterService(state, front.endpoint));
    return new EmbeddedEtcd(state, streams, server, front, progressInterval);
  }

  /** `127.0.0.1:port`, as `coord.endpoints` takes it. */
  get endpoint(): string {
    return this.#front.endpoint;
  }

  /** Ends all calls and forgets everything; leaves no handle open. */
  async stop(): Promise<void> {
    clearInterval(this.#progress);
    await this.#front.close();
    for (const stream of this.#streams) stream.close();
    this.#state.leases.close();
    this.#server.forceShutdown();
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function bind(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(error);
      else resolve(port);
    });
  });
}
