import type { ClientHttp2Session, OutgoingHttpHeaders } from 'node:http2';
import { CANCELLED, INTERNAL, OK } from './grpc-status.js';
import { type CallListener, Http2Call } from './http2-call.js';
import { StreamAhead } from './stream-ahead.js';

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

/** What the calls of one method have in common. */
interface Method {
  readonly headers: OutgoingHttpHeaders;
  /** For the next unary call. */
  readonly ahead: StreamAhead;
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
  readonly #methods = new Map<string, Method>();
  #connection: BorrowedConnection | undefined;

  /** @param authority the server's `host:port`, as in a URL */
  constructor(channel: Channel, metadata: Metadata, authority: string) {
    this.#channel = channel;
    this.#metadata = metadata;
    this.#authority = authority;
  }

  /** Calls from now on carry what is in the metadata now. */
  renew(): void {
    this.#forgetMethods();
  }

  /** No stream is left open but those of calls. */
  close(): void {
    this.#forgetMethods();
    this.#connection = undefined;
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
    const connection = this.#current();
    if (!connection) return callThrough(this.#channel, path, this.#metadata, request, message, ended);
    const call = this.#method(connection, path).ahead.take();
    connection.begin(call, message, ended);
    call.finish(request);
    return () => call.cancel();
  }

  /** A call that may send and get many messages; `undefined` while there is no connection to be had. */
  stream(
    path: string,
    message: CallListener['message'],
    ended: CallListener['ended'],
  ): Http2Call | undefined {
    const connection = this.#current();
    if (!connection) return undefined;
    const call = connection.open(this.#method(connection, path).headers);
    connection.begin(call, message, ended);
    return call;
  }

  /** The connection for a call that is made now. */
  #current(): BorrowedConnection | undefined {
    if (!this.#connection?.usable) {
      this.#forgetMethods();
      this.#connection = BorrowedConnection.of(this.#channel, this.#metadata);
    }
    return this.#connection;
  }

  #forgetMethods(): void {
    for (const { ahead } of this.#methods.values()) ahead.close();
    this.#methods.clear();
  }

  #method(connection: BorrowedConnection, path: string): Method {
    let method = this.#methods.get(path);
    if (!method) {
      const headers = {
        ':method': 'POST',
        ':path': path,
        ':authority': this.#authority,
        te: 'trailers',
        'content-type': 'application/grpc',
        'user-agent': 'im-infra',
        ...this.#metadata.toHttp2Headers(),
      };
      method = { headers, ahead: new StreamAhead(connection, headers) };
      this.#methods.set(path, method);
    }
    return method;
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
    return connection.usable ? connection : undefined;
  }

  /** Whether streams can be opened on it. */
  get usable(): boolean {
    const { closed, destroyed } = this.#transport.session;
    return !closed && !destroyed;
  }

  /** A stream that is no call yet: it neither holds the process nor has the connection pinged. */
  open(headers: OutgoingHttpHeaders): Http2Call {
    return new Http2Call(this.#transport.session, headers);
  }

  /** Makes a stream of this connection a call. */
  begin(call: Http2Call, message: CallListener['message'], ended: CallListener['ended']): void {
    call.listen({ message, ended, released: this.#released });
    if (this.#calls++ === 0) this.#transport.addActiveCall(this.#guest);
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
