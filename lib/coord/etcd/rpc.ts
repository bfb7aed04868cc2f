import { AuthClient, Etcd3, type ICallable, type IOptions, LeaseClient, MaintenanceClient } from 'etcd3';
import { CALL, type CallControl, type WireOptions } from './call-control.js';
import { DirectStream, type MessageStream } from './direct-stream.js';
import type { RangeQuery, RangeResult, Txn, TxnResult } from './kv.js';
import {
  decodeRange,
  decodeRenewal,
  decodeTxns,
  decodeWatch,
  type RenewalAnswer,
  type WatchResponse,
} from './answers.js';
import { CANCELLED, INTERNAL, OK, statusError } from './grpc-status.js';
import { encodeRange, encodeRenewal, encodeTxns, encodeWatch, type WatchRequest } from './requests.js';
import { type Channel, GrpcChannel, type Metadata } from './grpc-channel.js';

type Decode<T> = (bytes: Buffer) => T;

/** One of etcd3's clients, which are grpc-js'. */
interface ServiceClient {
  close(): void;
  getChannel(): Channel;
  makeBidiStreamRequest<Sent, Received>(
    path: string,
    encode: (request: Sent) => Buffer,
    decode: Decode<Received>,
    metadata: Metadata,
    options: object,
  ): MessageStream<Sent, Received>;
}

interface StreamMethod<Sent, Received> {
  readonly service: string;
  readonly path: string;
  readonly encode: (request: Sent) => Buffer;
  readonly decode: Decode<Received>;
}

/** A method of etcd's services, which etcd3's clients carry by its name. */
export interface UnaryMethod {
  readonly path: string;
  readonly requestSerialize: (request: unknown) => Buffer;
  readonly responseDeserialize: Decode<unknown>;
}

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
const WATCH: StreamMethod<WatchRequest, WatchResponse> = {
  service: 'Watch',
  path: '/etcdserverpb.Watch/Watch',
  encode: encodeWatch,
  decode: decodeWatch,
};
const LEASE_KEEP_ALIVE: StreamMethod<bigint, RenewalAnswer> = {
  service: 'Lease',
  path: '/etcdserverpb.Lease/LeaseKeepAlive',
  encode: encodeRenewal,
  decode: decodeRenewal,
};

/**
 * etcd's services at one endpoint: etcd3's generated clients, its TLS and its types, without what its pool puts around each
 * call. That repeats writes, closes channels under the calls of others, retells errors, and is a tenth of what a call costs.
 * Ranges, transactions, watches and renewals have messages of their own, and calls have a way of their own:
 * {@link GrpcChannel}.
 */
export class Rpc {
  readonly lease: LeaseClient;
  readonly auth: AuthClient;
  readonly maintenance: MaintenanceClient;
  readonly #etcd3: Etcd3;
  readonly #pool: Pool;
  readonly #metadata: Metadata;
  readonly #authority: string;
  readonly #channels = new Map<string, GrpcChannel>();

  private constructor(etcd3: Etcd3, metadata: Metadata, authority: string) {
    this.#etcd3 = etcd3;
    this.#pool = poolOf(etcd3);
    this.#metadata = metadata;
    this.#authority = authority;
    // A member that is cut off from its quorum then refuses and ends streams instead of staying silent.
    metadata.set('hasleader', 'true');
    const callable = {
      exec: (service: string, method: string, request: unknown, options?: WireOptions) =>
        this.#generated(service, method, request, options),
    } as unknown as ICallable<unknown>;
    this.lease = new LeaseClient(callable);
    this.auth = new AuthClient(callable);
    this.maintenance = new MaintenanceClient(callable);
  }

  /** To the server at this URL. Nothing is dialled before the first call. */
  static async create(options: IOptions & { readonly hosts: string }): Promise<Rpc> {
    const etcd3 = new Etcd3(options);
    const metadata = await poolOf(etcd3).authenticator.getMetadata();
    return new Rpc(etcd3, metadata, new URL(options.hosts).host);
  }

  /** Sends `token` with each call from now on. */
  authenticateWith(token: string): void {
    this.#metadata.set('token', token);
    for (const channel of this.#channels.values()) channel.renew();
  }

  range(query: RangeQuery, options: WireOptions): Promise<RangeResult> {
    return this.#kv('Range', encodeRange(query), decodeRange, options);
  }

  /** Runs the transactions as one, which may be of none; an answer to each. */
  txn(txns: readonly Txn[], options: WireOptions): Promise<readonly TxnResult[]> {
    return this.#kv('Txn', encodeTxns(txns), (bytes) => decodeTxns(bytes, txns.length), options);
  }

  watch(control: CallControl): MessageStream<WatchRequest, WatchResponse> {
    return this.#stream(WATCH, control);
  }

  /** Takes the ids of leases to renew. */
  leaseKeepAlive(control: CallControl): MessageStream<bigint, RenewalAnswer> {
    return this.#stream(LEASE_KEEP_ALIVE, control);
  }

  /** At once: etcd3 waits a second before it closes a channel that is just connecting, and the process with it. */
  close(): void {
    for (const channel of this.#channels.values()) channel.close();
    const [host] = this.#pool.hosts;
    for (const service of Object.values(host.cachedServices)) service.close();
    host.cachedServices = {};
    this.#etcd3.close();
  }

  #kv<T>(method: string, request: Buffer, decode: Decode<T>, options: WireOptions): Promise<T> {
    return this.#call('KV', `/etcdserverpb.KV/${method}`, request, decode, options);
  }

  /** A call with etcd3's own messages. */
  async #generated<T>(service: string, name: string, request: unknown, options?: WireOptions): Promise<T> {
    const method = methodOf(this.#client(service), name);
    const decode = method.responseDeserialize as Decode<T>;
    return this.#call(service, method.path, method.requestSerialize(request), decode, options);
  }

  #call<T>(
    service: string,
    path: string,
    request: Buffer,
    decode: Decode<T>,
    options?: WireOptions,
  ): Promise<T> {
    const control = options?.[CALL] as CallControl | undefined;
    return new Promise<T>((resolve, reject) => {
      if (control?.cancelled !== undefined) throw statusError(CANCELLED, control.cancelled);
      const cancel = this.#channel(service).unary(path, request, (code, details, answer) => {
        if (code !== OK) return reject(statusError(code, details));
        try {
          resolve(decode(answer!));
        } catch (error) {
          reject(statusError(INTERNAL, `etcd's answer cannot be read: ${(error as Error).message}`));
        }
      });
      control?.started((reason) => {
        reject(statusError(CANCELLED, reason));
        cancel(reason);
      });
    });
  }

  #stream<Sent, Received>(
    { service, path, encode, decode }: StreamMethod<Sent, Received>,
    control: CallControl,
  ): MessageStream<Sent, Received> {
    // All channels of an endpoint share one connection, and that of `KV` was the first to be used.
    const direct = DirectStream.open(this.#channel('KV'), path, encode, decode);
    const stream =
      direct ?? this.#client(service).makeBidiStreamRequest(path, encode, decode, this.#metadata, NO_OPTIONS);
    control.started(() => stream.cancel());
    return stream;
  }

  #channel(service: string): GrpcChannel {
    let channel = this.#channels.get(service);
    if (!channel) {
      channel = new GrpcChannel(this.#client(service).getChannel(), this.#metadata, this.#authority);
      this.#channels.set(service, channel);
    }
    return channel;
  }

  #client(service: string): ServiceClient {
    return this.#pool.hosts[0].getServiceClient(service);
  }
}

export function methodOf(client: ServiceClient, name: string): UnaryMethod {
  return (client as unknown as Readonly<Record<string, UnaryMethod>>)[name]!;
}

export function poolOf(etcd3: Etcd3): Pool {
  return (etcd3 as unknown as { readonly pool: Pool }).pool;
}
