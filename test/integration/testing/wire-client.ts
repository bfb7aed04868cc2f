import { type CallOptions, Client, type ClientDuplexStream, credentials, Metadata } from '@grpc/grpc-js';
import { etcdService, type EtcdServiceName } from '../../../lib/testing/embedded/proto.js';

export interface WireKv {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly createRevision: string;
  readonly modRevision: string;
  readonly version: string;
  readonly lease: string;
}

export interface WireHeader {
  readonly clusterId: string;
  readonly memberId: string;
  readonly revision: string;
  readonly raftTerm: string;
}

export interface WireRange {
  readonly header: WireHeader;
  readonly kvs: readonly WireKv[];
  readonly more: boolean;
  readonly count: string;
}

export interface WireTxn {
  readonly header: WireHeader;
  readonly succeeded: boolean;
  readonly responses: readonly {
    readonly responseRange?: WireRange;
    readonly responseTxn?: WireTxn;
  }[];
}

export interface WireWatch {
  readonly header: WireHeader;
  readonly watchId: string;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compactRevision: string;
  readonly cancelReason: string;
  readonly fragment: boolean;
  readonly events: readonly { readonly type: number; readonly kv: WireKv; readonly prevKv: WireKv | null }[];
}

export type WireWatchStream = ClientDuplexStream<object, WireWatch>;

const BYTES = new Set(['key', 'value', 'rangeEnd']);

/** Text in place of bytes, anywhere in a request. */
function withBytes(request: unknown): unknown {
  if (Array.isArray(request)) return request.map(withBytes);
  if (typeof request !== 'object' || request === null || Buffer.isBuffer(request)) return request;
  return Object.fromEntries(
    Object.entries(request).map(([name, value]: [string, unknown]) => [
      name,
      BYTES.has(name) && typeof value === 'string' ? Buffer.from(value, 'latin1') : withBytes(value),
    ]),
  );
}

/** etcd's protocol without any client's opinion: requests and answers as on the wire, no retry, one connection of its own. */
export class WireClient {
  readonly #client: Client;
  token: string | undefined;

  constructor(endpoint: string) {
    this.#client = new Client(endpoint, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 100,
    });
  }

  call<Response>(service: EtcdServiceName, method: string, request: object, options: CallOptions = {}) {
    const { path, requestSerialize, responseDeserialize } = this.#method(service, method);
    return new Promise<Response>((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        (value: unknown) => requestSerialize(value),
        (bytes) => responseDeserialize(bytes) as Response,
        withBytes(request),
        this.#metadata(),
        options,
        (error, response) => (error ? reject(error) : resolve(response!)),
      );
    });
  }

  put(request: object, options?: CallOptions) {
    return this.call<{ header: WireHeader; prevKv: WireKv | null }>('KV', 'Put', request, options);
  }

  range(request: object, options?: CallOptions) {
    return this.call<WireRange>('KV', 'Range', request, options);
  }

  deleteRange(request: object) {
    return this.call<{ header: WireHeader; deleted: string; prevKvs: WireKv[] }>(
      'KV',
      'DeleteRange',
      request,
    );
  }

  txn(request: object) {
    return this.call<WireTxn>('KV', 'Txn', request);
  }

  compact(revision: string | number) {
    return this.call<{ header: WireHeader }>('KV', 'Compact', { revision, physical: true });
  }

  grant(ttl: number, id = '0') {
    return this.call<{ header: WireHeader; ID: string; TTL: string }>('Lease', 'LeaseGrant', {
      TTL: ttl,
      ID: id,
    });
  }

  revoke(id: string) {
    return this.call<{ header: WireHeader }>('Lease', 'LeaseRevoke', { ID: id });
  }

  timeToLive(id: string) {
    return this.call<{ TTL: string; grantedTTL: string; keys: Buffer[] }>('Lease', 'LeaseTimeToLive', {
      ID: id,
      keys: true,
    });
  }

  watch(): WireWatchStream {
    return this.#stream<WireWatch>('Watch', 'Watch');
  }

  keepAlive() {
    return this.#stream<{ ID: string; TTL: string }>('Lease', 'LeaseKeepAlive');
  }

  close(): void {
    this.#client.close();
  }

  #stream<Response>(service: EtcdServiceName, method: string): ClientDuplexStream<object, Response> {
    const { path, requestSerialize, responseDeserialize } = this.#method(service, method);
    const stream = this.#client.makeBidiStreamRequest(
      path,
      (value: object) => requestSerialize(withBytes(value)),
      (bytes) => responseDeserialize(bytes) as Response,
      this.#metadata(),
    );
    // A stream that ends with its connection says so here; who cares listens as well.
    stream.on('error', () => {});
    return stream;
  }

  #method(service: EtcdServiceName, method: string) {
    const definition = etcdService(service)[method];
    if (definition === undefined) throw new Error(`${service} has no method ${method}`);
    return definition;
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    if (this.token !== undefined) metadata.set('token', this.token);
    return metadata;
  }
}

/** Creates a watch on a stream and keeps all that comes. */
export function collect(stream: WireWatchStream, createRequest: object) {
  const responses: WireWatch[] = [];
  const events: WireWatch['events'][number][] = [];
  stream.on('data', (response: WireWatch) => {
    responses.push(response);
    events.push(...response.events);
  });
  stream.write({ createRequest });
  return { stream, responses, events };
}
