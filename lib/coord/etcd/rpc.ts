import {
  AuthClient,
  Etcd3,
  type ICallable,
  type IDuplexStream,
  type ILeaseKeepAliveRequest,
  type ILeaseKeepAliveResponse,
  type IOptions,
  type IWatchRequest,
  type IWatchResponse,
  KVClient,
  LeaseClient,
  MaintenanceClient,
} from 'etcd3';
import { CALL, type CallControl, type WireOptions } from './call-control.js';
import { withoutStacks } from './stackless.js';

/** gRPC's metadata, by shape: only the gRPC rooms import grpc-js. */
interface Metadata {
  set(key: string, value: string): void;
}

type UnaryMethod = (
  request: unknown,
  metadata: Metadata,
  options: object,
  done: (error: Error | null, answer: unknown) => void,
) => { cancel(): void };
type StreamMethod = (metadata: Metadata, options: object) => IDuplexStream<never, never>;
type ServiceClient = { close(): void } & Readonly<Record<string, UnaryMethod & StreamMethod>>;

/** What of etcd3's pool is used: its version is pinned, and test/contract/etcd3 looks whether it is there. */
export interface Pool {
  readonly hosts: readonly [
    {
      cachedServices: Readonly<Record<string, ServiceClient>>;
      getServiceClient(service: string): ServiceClient;
    },
  ];
  readonly authenticator: { getMetadata(): Promise<Metadata> };
}

const NO_OPTIONS = Object.freeze({});

/**
 * etcd's services at one endpoint: etcd3's generated clients, its TLS and its types, without what its pool puts around each
 * call. That repeats writes, closes channels under the calls of others, retells errors, and is a tenth of what a call costs.
 */
export class Rpc {
  readonly kv: KVClient;
  readonly lease: LeaseClient;
  readonly auth: AuthClient;
  readonly maintenance: MaintenanceClient;
  readonly #etcd3: Etcd3;
  readonly #pool: Pool;
  readonly #metadata: Metadata;

  private constructor(etcd3: Etcd3, metadata: Metadata) {
    this.#etcd3 = etcd3;
    this.#pool = poolOf(etcd3);
    this.#metadata = metadata;
    // A member that is cut off from its quorum then refuses and ends streams instead of staying silent.
    metadata.set('hasleader', 'true');
    const callable = {
      exec: (service: string, method: string, request: unknown, options?: WireOptions) =>
        this.#unary(service, method, request, options?.[CALL] as CallControl | undefined),
    } as unknown as ICallable<unknown>;
    this.kv = new KVClient(callable);
    this.lease = new LeaseClient(callable);
    this.auth = new AuthClient(callable);
    this.maintenance = new MaintenanceClient(callable);
  }

  /** Nothing is dialled before the first call. */
  static async create(options: IOptions): Promise<Rpc> {
    const etcd3 = new Etcd3(options);
    return new Rpc(etcd3, await poolOf(etcd3).authenticator.getMetadata());
  }

  /** Sends `token` with each call from now on. */
  authenticateWith(token: string): void {
    this.#metadata.set('token', token);
  }

  watch(control: CallControl): IDuplexStream<IWatchRequest, IWatchResponse> {
    return this.#stream('Watch', 'watch', control);
  }

  leaseKeepAlive(control: CallControl): IDuplexStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse> {
    return this.#stream('Lease', 'leaseKeepAlive', control);
  }

  /** At once: etcd3 waits a second before it closes a channel that is just connecting, and the process with it. */
  close(): void {
    const [host] = this.#pool.hosts;
    for (const service of Object.values(host.cachedServices)) service.close();
    host.cachedServices = {};
    this.#etcd3.close();
  }

  #unary<T>(service: string, method: string, request: unknown, control?: CallControl): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const client = this.#client(service);
      const withStacks = withoutStacks();
      const call = client[method]!(request, this.#metadata, NO_OPTIONS, (error, answer) =>
        error ? reject(error) : resolve(answer as T),
      );
      withStacks();
      control?.started((reason) => {
        reject(new Error(`1 CANCELLED: ${reason}`));
        call.cancel();
      });
    });
  }

  #stream<Sent, Received>(
    service: string,
    method: string,
    control: CallControl,
  ): IDuplexStream<Sent, Received> {
    const stream = this.#client(service)[method]!(this.#metadata, NO_OPTIONS);
    control.started(() => stream.cancel());
    return stream as IDuplexStream<unknown, unknown> as IDuplexStream<Sent, Received>;
  }

  #client(service: string): ServiceClient {
    return this.#pool.hosts[0].getServiceClient(service);
  }
}

export function poolOf(etcd3: Etcd3): Pool {
  return (etcd3 as unknown as { readonly pool: Pool }).pool;
}
