import {
  AuthClient,
  Etcd3,
  type ICallable,
  type IDuplexStream,
  type IOptions,
  LeaseClient,
  MaintenanceClient,
} from 'etcd3';
import { CALL, type CallControl, type WireOptions } from './call-control.js';
import type { RangeQuery, RangeResult, Txn, TxnResult } from './kv.js';
import {
  decodeRange,
  decodeRenewal,
  decodeTxns,
  decodeWatch,
  encodeRange,
  encodeRenewal,
  encodeTxns,
  encodeWatch,
  type RenewalAnswer,
  type WatchRequest,
  type WatchResponse,
} from './messages.js';
import { withoutStacks } from './stackless.js';

/** gRPC's metadata, by shape: only the gRPC rooms import grpc-js. */
interface Metadata {
  set(key: string, value: string): void;
}

type Answered = (error: Error | null, answer: unknown) => void;
type UnaryMethod = (request: unknown, metadata: Metadata, options: object, done: Answered) => Call;
type Decode<T> = (bytes: Buffer) => T;

interface Call {
  cancel(): void;
}

/** One of etcd3's, which are grpc-js': the methods of etcd's service, and what they are made of. */
type ServiceClient = {
  close(): void;
  makeUnaryRequest(
    path: string,
    serialize: (request: Buffer) => Buffer,
    deserialize: Decode<unknown>,
    request: Buffer,
    metadata: Metadata,
    options: object,
    done: Answered,
  ): Call;
  makeBidiStreamRequest<Sent, Received>(
    path: string,
    serialize: (request: Sent) => Buffer,
    deserialize: Decode<Received>,
    metadata: Metadata,
    options: object,
  ): IDuplexStream<Sent, Received>;
} & Readonly<Record<string, UnaryMethod>>;

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
const asIs = (request: Buffer): Buffer => request;

/**
 * etcd's services at one endpoint: etcd3's generated clients, its TLS and its types, without what its pool puts around each
 * call. That repeats writes, closes channels under the calls of others, retells errors, and is a tenth of what a call costs.
 * Ranges, transactions, watches and renewals have messages of their own.
 */
export class Rpc {
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
        this.#call(options, (done) =>
          this.#client(service)[method]!(request, this.#metadata, NO_OPTIONS, done),
        ),
    } as unknown as ICallable<unknown>;
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

  range(query: RangeQuery, options: WireOptions): Promise<RangeResult> {
    return this.#kv('Range', encodeRange(query), decodeRange, options);
  }

  /** Runs the transactions as one, which may be of none; an answer to each. */
  txn(txns: readonly Txn[], options: WireOptions): Promise<readonly TxnResult[]> {
    return this.#kv('Txn', encodeTxns(txns), (bytes) => decodeTxns(bytes, txns.length), options);
  }

  watch(control: CallControl): IDuplexStream<WatchRequest, WatchResponse> {
    return this.#stream('Watch', 'Watch', encodeWatch, decodeWatch, control);
  }

  /** Takes the ids of leases to renew. */
  leaseKeepAlive(control: CallControl): IDuplexStream<bigint, RenewalAnswer> {
    return this.#stream('Lease', 'LeaseKeepAlive', encodeRenewal, decodeRenewal, control);
  }

  /** At once: etcd3 waits a second before it closes a channel that is just connecting, and the process with it. */
  close(): void {
    const [host] = this.#pool.hosts;
    for (const service of Object.values(host.cachedServices)) service.close();
    host.cachedServices = {};
    this.#etcd3.close();
  }

  #kv<T>(method: string, request: Buffer, decode: Decode<T>, options: WireOptions): Promise<T> {
    const path = `/etcdserverpb.KV/${method}`;
    return this.#call(options, (done) =>
      this.#client('KV').makeUnaryRequest(path, asIs, decode, request, this.#metadata, NO_OPTIONS, done),
    );
  }

  #call<T>(options: WireOptions | undefined, call: (done: Answered) => Call): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const withStacks = withoutStacks();
      const running = call((error, answer) => (error ? reject(error) : resolve(answer as T)));
      withStacks();
      const control = options?.[CALL] as CallControl | undefined;
      control?.started((reason) => {
        reject(new Error(`1 CANCELLED: ${reason}`));
        running.cancel();
      });
    });
  }

  #stream<Sent, Received>(
    service: string,
    method: string,
    encode: (request: Sent) => Buffer,
    decode: Decode<Received>,
    control: CallControl,
  ): IDuplexStream<Sent, Received> {
    const path = `/etcdserverpb.${service}/${method}`;
    const client = this.#client(service);
    const stream = client.makeBidiStreamRequest(path, encode, decode, this.#metadata, NO_OPTIONS);
    control.started(() => stream.cancel());
    return stream;
  }

  #client(service: string): ServiceClient {
    return this.#pool.hosts[0].getServiceClient(service);
  }
}

export function poolOf(etcd3: Etcd3): Pool {
  return (etcd3 as unknown as { readonly pool: Pool }).pool;
}
