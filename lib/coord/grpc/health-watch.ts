import { Client, type ClientReadableStream, type StatusObject, credentials, status } from '@grpc/grpc-js';
import { Backoff } from '../etcd/backoff.js';
import type { Clock } from '../etcd/clock.js';
import type { SubchannelInterface } from './grpc-experimental.js';
import { SERVING, decodeResponse, encodeRequest } from './health-message.js';

const WATCH = '/grpc.health.v1.Health/Watch';

/**
 * Follows `grpc.health.v1` of one instance over its own connection. It serves once it says so; a server without the health
 * service serves; a broken stream does not, and is opened again (gRFC A17). One that the server ended in good order is
 * opened again too, and until then what it said last counts.
 */
export class HealthWatch {
  readonly #service: string;
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #changed: () => void;
  readonly #backoff = new Backoff({ first: 200, most: 5_000 });
  #stream: ClientReadableStream<number> | undefined;
  #cancelRetry: (() => void) | undefined;
  #serving: boolean | undefined;
  #closed = false;

  /**
   * @param channel that reaches the one instance
   * @param service to ask for, `''` for the server as a whole
   * @param changed called when {@link serving} has changed
   */
  constructor(
    channel: ReturnType<SubchannelInterface['getChannel']>,
    service: string,
    clock: Clock,
    changed: () => void,
  ) {
    this.#service = service;
    this.#clock = clock;
    this.#changed = changed;
    this.#client = new Client('', credentials.createInsecure(), {
      channelOverride: channel,
    });
    this.#open();
  }

  /** `undefined` until it has answered for the first time. */
  get serving(): boolean | undefined {
    return this.#serving;
  }

  /** Ends the stream; the channel is somebody else's. */
  close(): void {
    this.#closed = true;
    this.#cancelRetry?.();
    this.#stream?.cancel();
  }

  #open(): void {
    const stream = this.#client.makeServerStreamRequest(WATCH, encodeRequest, decodeResponse, this.#service);
    this.#stream = stream;
    stream.on('data', (servingStatus: number) => {
      this.#backoff.reset();
      this.#become(servingStatus === SERVING);
    });
    // An end with OK comes without an error, every end with a status.
    stream.on('error', () => undefined);
    stream.on('status', ({ code }: StatusObject) => this.#onEnd(code));
  }

  #onEnd(code: status): void {
    if (this.#closed) return;
    if (code !== status.OK || this.#serving === undefined) this.#become(code === status.UNIMPLEMENTED);
    if (code === status.UNIMPLEMENTED) return;
    this.#cancelRetry = this.#clock.after(this.#backoff.next(), () => this.#open());
  }

  #become(serving: boolean): void {
    if (this.#closed || serving === this.#serving) return;
    this.#serving = serving;
    this.#changed();
  }
}
