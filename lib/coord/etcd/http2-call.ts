import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import {
  INTERNAL,
  OK,
  PERMISSION_DENIED,
  RESOURCE_EXHAUSTED,
  UNAUTHENTICATED,
  UNAVAILABLE,
  UNIMPLEMENTED,
  UNKNOWN,
} from './grpc-status.js';

/** What comes back from a call. */
export interface CallListener {
  message(message: Buffer): void;
  /** Told once, after the last message, unless the call was cancelled. */
  ended(code: number, details: string): void;
  /** The call needs the connection no more: it has ended, or was cancelled. Told once. */
  released(): void;
}

/** Before each message: whether it is compressed, and its length. */
const PREFIX = 5;

/** What an answer without a gRPC status means: gRPC's doc/http-grpc-status-mapping.md. */
const OF_HTTP: Readonly<Record<number, number>> = {
  400: INTERNAL,
  401: UNAUTHENTICATED,
  403: PERMISSION_DENIED,
  404: UNIMPLEMENTED,
  429: UNAVAILABLE,
  502: UNAVAILABLE,
  503: UNAVAILABLE,
  504: UNAVAILABLE,
};

/** A call as a stream of its own: gRPC over HTTP/2 (gRPC's doc/PROTOCOL-HTTP2.md), uncompressed. */
export class Http2Call {
  readonly #stream: ClientHttp2Stream;
  #listener: CallListener | undefined;
  /** The beginning of a message whose end is on its way, and how long it has to be before it can be read on. */
  #begun: Buffer[] = [];
  #begunBytes = 0;
  #needed = 0;
  #httpStatus: number | undefined;
  #granted = false;
  #ended = false;
  #error: Error | undefined;

  /** Opens the stream; {@link listen} and a message make it a call. */
  constructor(session: ClientHttp2Session, headers: OutgoingHttpHeaders) {
    this.#stream = session
      .request(headers)
      .on('response', (answer, flags) => {
        this.#httpStatus = answer[':status'];
        if (flags & constants.NGHTTP2_FLAG_END_STREAM) this.#trailers(answer);
      })
      .on('data', (chunk: Buffer) => this.#data(chunk))
      .on('trailers', (trailers) => this.#trailers(trailers))
      .on('end', () => {
        // All data has been read.
        if (!this.#granted) return;
        if (this.#begun.length > 0) this.#end(INTERNAL, 'the answer broke off');
        else this.#end(OK, '');
      })
      .on('error', (error) => {
        this.#error = error;
      })
      .on('close', () => this.#cutOff());
  }

  /** Whether it has ended, or was cancelled. */
  get over(): boolean {
    return this.#ended;
  }

  /** To be called before the first message is sent. */
  listen(listener: CallListener): void {
    this.#listener = listener;
  }

  /** Sends a message; what is written while another is on its way to the socket goes with the next ones in one piece. */
  write(message: Buffer): void {
    this.#stream.write(framed(message));
  }

  /** Sends the last message. */
  finish(message: Buffer): void {
    this.#stream.end(framed(message));
  }

  cancel(): void {
    this.#release();
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  #end(code: number, details: string): void {
    if (this.#ended) return;
    const listener = this.#release();
    // The server has ended it, and waits for nothing that is still to be sent.
    if (!this.#stream.writableFinished) this.#stream.close(constants.NGHTTP2_CANCEL);
    listener?.ended(code, details);
  }

  /** Lets go of the listener: Node 20 keeps what a stream refers to until a major collection. Returns it. */
  #release(): CallListener | undefined {
    const listener = this.#listener;
    this.#ended = true;
    this.#listener = undefined;
    listener?.released();
    return listener;
  }

  #data(chunk: Buffer): void {
    let data = chunk;
    if (this.#begun.length > 0) {
      this.#begun.push(chunk);
      this.#begunBytes += chunk.length;
      if (this.#begunBytes < this.#needed) return;
      data = Buffer.concat(this.#begun);
      this.#begun = [];
    }
    let at = 0;
    while (!this.#ended && at < data.length) {
      const whole = data.length - at < PREFIX ? PREFIX : PREFIX + data.readUInt32BE(at + 1);
      if (data.length - at < whole) {
        this.#begun = [at === 0 ? data : data.subarray(at)];
        this.#begunBytes = data.length - at;
        this.#needed = whole;
        return;
      }
      if (data[at] !== 0) {
        this.#end(INTERNAL, 'the answer is compressed, which was not asked for');
        return this.cancel();
      }
      const message = data.subarray(at + PREFIX, at + whole);
      // A chunk is a view of all that was read from the socket at once, which a small message would keep in memory.
      this.#listener?.message(data === chunk ? Buffer.from(message) : message);
      at += whole;
    }
  }

  #trailers({ 'grpc-status': status, 'grpc-message': message = '' }: IncomingHttpHeaders): void {
    if (status === undefined) return;
    const code = Number(status);
    if (code === OK) this.#granted = true;
    else this.#end(code, decoded(String(message)));
  }

  /** The stream is closed: if there was no status before, there will be none. */
  #cutOff(): void {
    if (this.#ended) return;
    const { rstCode } = this.#stream;
    if (rstCode === constants.NGHTTP2_REFUSED_STREAM)
      return this.#end(UNAVAILABLE, 'Stream refused by server');
    if (rstCode === constants.NGHTTP2_ENHANCE_YOUR_CALM)
      return this.#end(RESOURCE_EXHAUSTED, 'the server asks for calm');
    if (rstCode === constants.NGHTTP2_NO_ERROR && this.#httpStatus !== undefined && this.#httpStatus !== 200)
      return this.#end(OF_HTTP[this.#httpStatus] ?? UNKNOWN, `HTTP status ${this.#httpStatus}`);
    this.#end(UNAVAILABLE, `the connection was lost (${this.#error?.message ?? `HTTP/2 code ${rstCode}`})`);
  }
}

function framed(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX + message.length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(message.length, 1);
  message.copy(frame, PREFIX);
  return frame;
}

function decoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
