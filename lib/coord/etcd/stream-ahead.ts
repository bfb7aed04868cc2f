import type { OutgoingHttpHeaders } from 'node:http2';
import type { BorrowedConnection } from './grpc-channel.js';
import type { Http2Call } from './http2-call.js';

/** Calls that follow one another within this time, in ms, are a run. */
const RUN = 50;

/**
 * Streams for the calls of one method, opened before they are needed: in a run of calls, the next one's while the server is
 * at work on this one. The opening of a stream costs both sides as much as the rest of a small call, and is out of the next
 * one's way then. A stream that no call has come for is cancelled after one to two times {@link RUN}.
 */
export class StreamAhead {
  readonly #connection: BorrowedConnection;
  readonly #headers: OutgoingHttpHeaders;
  #next: Http2Call | undefined;
  /** Runs while there is a run of calls. */
  #timer: NodeJS.Timeout | undefined;
  #taken = false;
  #opening = false;
  #closed = false;

  constructor(connection: BorrowedConnection, headers: OutgoingHttpHeaders) {
    this.#connection = connection;
    this.#headers = headers;
  }

  /** The stream for a call that is made now. */
  take(): Http2Call {
    const next = this.#next;
    this.#next = undefined;
    this.#followUp();
    return next && !next.over ? next : this.#connection.open(this.#headers);
  }

  /** Opens no more, and keeps none open. */
  close(): void {
    this.#closed = true;
    this.#stop();
  }

  #followUp(): void {
    if (!this.#timer) {
      this.#timer = setTimeout(() => this.#look(), RUN).unref();
      return;
    }
    this.#taken = true;
    if (this.#opening) return;
    this.#opening = true;
    // After the request has gone out.
    setImmediate(() => {
      this.#opening = false;
      if (!this.#closed && this.#connection.usable) this.#next ??= this.#connection.open(this.#headers);
    });
  }

  #look(): void {
    if (!this.#taken) return this.#stop();
    this.#taken = false;
    this.#timer!.refresh();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#next?.cancel();
    this.#next = undefined;
  }
}
