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

/** The end of a call, told once; the message is there if the code is OK. */
export type Done = (code: number, details: string, message?: Buffer) => void;

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

/** A unary call as a stream of its own: gRPC over HTTP/2 (gRPC's doc/PROTOCOL-HTTP2.md), uncompressed. */
export class Http2Call {
  readonly #stream: ClientHttp2Stream;
  readonly #done: Done;
  readonly #chunks: Buffer[] = [];
  #httpStatus: number | undefined;
  #granted = false;
  #ended = false;
  #error: Error | undefined;

  /** `closed` is called when nothing of the call is left on the connection. */
  constructor(
    session: ClientHttp2Session,
    headers: OutgoingHttpHeaders,
    request: Buffer,
    done: Done,
    closed: () => void,
  ) {
    this.#done = done;
    this.#stream = session
      .request(headers)
      .on('response', (answer, flags) => {
        this.#httpStatus = answer[':status'];
        if (flags & constants.NGHTTP2_FLAG_END_STREAM) this.#trailers(answer);
      })
      .on('data', (chunk: Buffer) => this.#chunks.push(chunk))
      .on('trailers', (trailers) => this.#trailers(trailers))
      .on('end', () => this.#answered())
      .on('error', (error) => {
        this.#error = error;
      })
      .on('close', () => {
        closed();
        this.#cutOff();
      });
    const frame = Buffer.allocUnsafe(PREFIX + request.length);
    frame.writeUInt8(0, 0);
    frame.writeUInt32BE(request.length, 1);
    request.copy(frame, PREFIX);
    this.#stream.end(frame);
  }

  cancel(): void {
    this.#ended = true;
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  #end(code: number, details: string, message?: Buffer): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#done(code, details, message);
  }

  #trailers({ 'grpc-status': status, 'grpc-message': message = '' }: IncomingHttpHeaders): void {
    if (status === undefined) return;
    const code = Number(status);
    if (code === OK) this.#granted = true;
    else this.#end(code, decoded(String(message)));
  }

  /** All data has been read. */
  #answered(): void {
    if (!this.#granted) return;
    const answer = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    if (answer.length < PREFIX) return this.#end(INTERNAL, 'the answer has no message');
    if (answer.readUInt8(0) !== 0 || answer.readUInt32BE(1) !== answer.length - PREFIX)
      return this.#end(INTERNAL, 'the answer is not one uncompressed message');
    this.#end(OK, '', answer.subarray(PREFIX));
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

function decoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
