import { Server, ServerCredentials } from '@grpc/grpc-js';
import { ValidationError } from '../errors/validation.error.js';
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
}

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
  readonly #state = new ServerState();
  readonly #streams = new Set<WatchStream>();
  #server: Server | undefined;
  #port = 0;

  private constructor() {}

  static async start(options: EmbeddedEtcdOptions = {}): Promise<EmbeddedEtcd> {
    if (process.env['NODE_ENV'] === 'production') {
      throw new ValidationError(
        'NODE_ENV',
        'anything but "production" for an embedded etcd: it keeps nothing and replicates nothing. Start a real etcd',
        'production',
      );
    }
    const etcd = new EmbeddedEtcd();
    await etcd.#listen(options.port ?? 0);
    return etcd;
  }

  /** `127.0.0.1:port`, as `coord.endpoints` takes it. */
  get endpoint(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Ends all calls and forgets everything; leaves no handle open. */
  async stop(): Promise<void> {
    for (const stream of this.#streams) stream.close();
    this.#streams.clear();
    this.#state.leases.close();
    this.#server?.forceShutdown();
    this.#server = undefined;
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #listen(port: number): Promise<void> {
    const state = this.#state;
    const server = new Server({
      'grpc.max_receive_message_length': MAX_RECEIVE_BYTES,
      'grpc.max_send_message_length': -1,
    });
    server.addService(etcdService('KV'), kvService(state));
    server.addService(etcdService('Watch'), watchService(state, this.#streams));
    server.addService(etcdService('Lease'), leaseService(state));
    server.addService(etcdService('Auth'), authService(state));
    server.addService(etcdService('Maintenance'), maintenanceService(state));
    server.addService(
      etcdService('Cluster'),
      clusterService(state, () => this.endpoint),
    );
    this.#port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
        if (error) reject(error);
        else resolve(bound);
      });
    });
    this.#server = server;
  }
}
