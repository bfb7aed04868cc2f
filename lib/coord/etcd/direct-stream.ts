import { EventEmitter } from 'node:events';
import type { GrpcChannel } from './grpc-channel.js';
import { INTERNAL, OK, statusError } from './grpc-status.js';
import type { Http2Call } from './http2-call.js';

/** Messages both ways, as gRPC's streams have them: it ends with `end` or with `error`, if it is not cancelled. */
export interface MessageStream<Sent, Received> {
  write(message: Sent): unknown;
  cancel(): void;
  on(event: 'data', listener: (message: Received) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
}

/** A stream below the layers of grpc-js: see {@link GrpcChannel}. */
export class DirectStream<Sent, Received> extends EventEmitter implements MessageStream<Sent, Received> {
  readonly #encode: (message: Sent) => Buffer;
  readonly #call: Http2Call;

  private constructor(call: Http2Call, encode: (message: Sent) => Buffer) {
    super();
    this.#call = call;
    this.#encode = encode;
  }

  /** `undefined` while the channel has no connection to be had. */
  static open<Sent, Received>(
    channel: GrpcChannel,
    path: string,
    encode: (message: Sent) => Buffer,
    decode: (message: Buffer) => Received,
  ): DirectStream<Sent, Received> | undefined {
    const call = channel.stream(
      path,
      (message) => stream.#receive(message, decode),
      (code, details) => stream.#ended(code, details),
    );
    if (!call) return undefined;
    const stream = new DirectStream<Sent, Received>(call, encode);
    return stream;
  }

  write(message: Sent): void {
    this.#call.write(this.#encode(message));
  }

  cancel(): void {
    this.#call.cancel();
  }

  #receive(message: Buffer, decode: (message: Buffer) => Received): void {
    let received: Received;
    try {
      received = decode(message);
    } catch (error) {
      this.#call.cancel();
      this.#ended(INTERNAL, `etcd's answer cannot be read: ${(error as Error).message}`);
      return;
    }
    this.emit('data', received);
  }

  #ended(code: number, details: string): void {
    if (code === OK) this.emit('end');
    else this.emit('error', statusError(code, details));
  }
}
