import type { ClientHttp2Session, OutgoingHttpHeaders } from 'node:http2';
import { CANCELLED, INTERNAL, OK } from './grpc-status.js';
import { type CallListener, Http2Call } from './http2-call.js';

/** gRPC's metadata, by shape: only the gRPC rooms import grpc-js. */
export interface Metadata {
  set(key: string, value: string): void;
  toHttp2Headers(): OutgoingHttpHeaders;
}

/** One call on a channel: grpc-js' public interface below its clients. */
interface ChannelCall {
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

/** A channel of grpc-js. */
export interface Channel {
  createCall(path: string, deadline: number, host: null, parent: null, flags: undefined): ChannelCall;
}

/** Who has calls on a connection: while there is one, grpc-js pings it and has it hold the process. */
interface Guest {
  onDisconnect(): void;
}

/** What is used of grpc-js' HTTP/2 connections. */
interface Transport {
  readonly session: ClientHttp2Session;
  addActiveCall(guest: Guest): void;
  removeActiveCall(guest: Guest): void;
}

/** The end of a unary call; the message is there if the code is OK. */
export type Done = (code: number, details: string, message?: Buffer) => void;

/**
 * Calls on a channel of grpc-js, each a stream of its own on the channel's connection. grpc-js dials, encrypts, pings and
 * notices the end; its layers above the stream are left out: they take as long as all the rest of a unary call, and send the
 * messages of a stream one in a turn of the event loop. While the channel has no connection, or a grpc-js of another build
 * does not show it, calls have to go through those layers.
 */
export class GrpcChannel {
  readonly #channel: Channel;
  readonly #metadata: Metadata;
  readonly #authority: string;
  readonly #headers = new Map<string, OutgoingHttpHeaders>();
  #connection: BorrowedConnection | undefined;

  /** @param authority the server's `host:port`, as in a URL */
  constructor(channel: Channel, metadata: Metadata, authority: string) {
    this.#channel = channel;
    this.#metadata = metadata;
    this.#authority = authority;
  }

  /** Calls from now on carry what is in the metadata now. */
  renew(): void {
    this.#headers.clear();
  }

  /** Sends `request`; `done` is told of the end, once. Returns how to cancel; then `done` may be told, or not. */
  unary(path: string, request: Buffer, done: Done): (reason: string) => void {
    let answer: Buffer | undefined;
    const message = (received: Buffer): void => {
      answer = received;
    };
    const ended = (code: number, details: string): void => {
      if (code === OK && !answer) done(INTERNAL, 'the answer has no message');
      else done(code, details, answer);
    };
    const call = this.stream(path, message, ended);
    if (!call) return callThrough(this.#channel, path, this.#metadata, request, message, ended);
    call.finish(request);
    return () => call.cancel();
  }

  /** A call that may send and get many messages; `undefined` while there is no connection to be had. */
  stream(
    path: string,
    message: CallListener['message'],
    ended: CallListener['ended'],
  ): Http2Call | undefined {
    if (!this.#connection?.open) this.#connection = BorrowedConnection.of(this.#channel, this.#metadata);
    return this.#connection?.call(this.#headersOf(path), message, ended);
  }

  #headersOf(path: string): OutgoingHttpHeaders {
    let headers = this.#headers.get(path);
    if (!headers) {
      headers = {
        ':method': 'POST',
        ':path': path,
        ':authority': this.#authority,
        te: 'trailers',
        'content-type': 'application/grpc',
        'user-agent': 'im-infra',
        ...this.#metadata.toHttp2Headers(),
      };
      this.#headers.set(path, headers);
    }
    return headers;
  }
}

/** A connection of grpc-js with calls on it that grpc-js knows as one. */
export class BorrowedConnection {
  readonly #transport: Transport;
  readonly #guest: Guest = { onDisconnect: () => undefined };
  readonly #released = (): void => {
    if (--this.#calls === 0) this.#transport.removeActiveCall(this.#guest);
  };
  #calls = 0;

  private constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The one that the channel would take now, if it has one. The way to it is private there, and may change. */
  static of(channel: Channel, metadata: Metadata): BorrowedConnection | undefined {
    const { internalChannel } = channel as Channel & {
      readonly internalChannel?: {
        doPick?(
          metadata: Metadata,
          info: object,
        ): { readonly subchannel?: { getRealSubchannel?(): { readonly transport?: Partial<Transport> } } };
      };
    };
    const transport = internalChannel?.doPick?.(metadata, {}).subchannel?.getRealSubchannel?.().transport;
    if (!transport?.session || !transport.addActiveCall || !transport.removeActiveCall) return undefined;
    const connection = new BorrowedConnection(transport as Transport);
    return connection.open ? connection : undefined;
  }

  get open(): boolean {
    const { closed, destroyed } = this.#transport.session;
    return !closed && !destroyed;
  }

  call(
    headers: OutgoingHttpHeaders,
    message: CallListener['message'],
    ended: CallListener['ended'],
  ): Http2Call {
    const call = new Http2Call(this.#transport.session, headers, {
      message,
      ended,
      released: this.#released,
    });
    if (this.#calls++ === 0) this.#transport.addActiveCall(this.#guest);
    return call;
  }
}

function callThrough(
  channel: Channel,
  path: string,
  metadata: Metadata,
  request: Buffer,
  message: CallListener['message'],
  ended: CallListener['ended'],
): (reason: string) => void {
  const call = channel.createCall(path, Infinity, null, null, undefined);
  call.start(metadata, {
    onReceiveMetadata: () => undefined,
    onReceiveMessage: message,
    onReceiveStatus: ({ code, details }) => ended(code, details),
  });
  call.startRead();
  call.sendMessageWithContext({}, request);
  call.halfClose();
  return (reason) => call.cancelWithStatus(CANCELLED, reason);
}
