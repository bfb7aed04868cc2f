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
  type RenewalAnswer,
  type WatchResponse,
} from './answers.js';
import { encodeRange, encodeRenewal, encodeTxns, encodeWatch, type WatchRequest } from './requests.js';

/** gRPC's metadata, by shape: only the gRPC rooms import grpc-js. */
interface Metadata {
  set(key: string, value: string): void;
}

type Decode<T> = (bytes: Buffer) => T;

/** One call on a channel: grpc-js' public interface below its clients. */
interface Call {
  start(
    metadata: Metadata,
    listener: {
      onReceiveMetadata(): void;
      onReceiveMessage(message: Buffer): void;
      onReceiveStatus(status: { readonly code: number; readonly details: string }): void;
    },
  ): void;
  startRead(): void;
  sendMessageWithContext(context: object, message: Buffer): void;
  halfClose(): void;
  cancelWithStatus(code: number, details: string): void;
}

/** One of etcd3's clients, which are grpc-js'. */
interface ServiceClient {
  close(): void;
  getChannel(): {
    createCall(path: string, deadline: number, host: null, parent: null, flags: undefined): Call;
  };
  makeBidiStreamRequest<Sent, Received>(
    path: string,
    encode: (request: Sent) => Buffer,
    decode: Decode<Received>,
    metadata: Metadata,
    options: object,
  ): IDuplexStream<Sent, Received>;
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
const OK = 0;
const CANCELLED = 1;
const UNKNOWN = 2;
const INTERNAL = 13;
/** gRPC's names of its status codes, in the order of the codes. */
const STATUS =
  'OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED'.split(
    ' ',
  );

/**
 * etcd's services at one endpoint: etcd3's generated clients, its TLS and its types, without what its pool puts around each
 * call. That repeats writes, closes channels under the calls of others, retells errors, and is a tenth of what a call costs.
 * Ranges, transactions, watches and renewals have messages of their own; unary calls go to the channel itself, since the
 * interceptors, the emitter and the stack of each call are another tenth.
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
        this.#generated(service, method, request, options),
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
      const call = this.#client(service).getChannel().createCall(path, Infinity, null, null, undefined);
      let answer: Buffer | undefined;
      call.start(this.#metadata, {
        onReceiveMetadata: () => undefined,
        onReceiveMessage: (message) => {
          answer = message;
        },
        onReceiveStatus: ({ code, details }) => {
          if (code !== OK) return reject(statusError(code, details));
          if (!answer) return reject(statusError(INTERNAL, 'etcd sent no answer'));
          try {
            resolve(decode(answer));
          } catch (error) {
            reject(statusError(INTERNAL, `etcd's answer cannot be read: ${(error as Error).message}`));
          }
        },
      });
      call.startRead();
      call.sendMessageWithContext({}, request);
      call.halfClose();
      control?.started((reason) => {
        reject(statusError(CANCELLED, reason));
        call.cancelWithStatus(CANCELLED, reason);
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

/** A code that gRPC does not know is to be taken for UNKNOWN (its doc/statuscodes.md). */
function statusError(code: number, details: string): Error {
  const known = STATUS[code] === undefined ? UNKNOWN : code;
  return new Error(`${known} ${STATUS[known]}: ${details}`);
}

export function methodOf(client: ServiceClient, name: string): UnaryMethod {
  return (client as unknown as Readonly<Record<string, UnaryMethod>>)[name]!;
}

export function poolOf(etcd3: Etcd3): Pool {
  return (etcd3 as unknown as { readonly pool: Pool }).pool;
}
