/** A piece of one HTTP/2 frame; `first` and `last` tell where in its frame it stands. */
export interface FramePart {
  readonly bytes: Buffer;
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly first: boolean;
  readonly last: boolean;
  /** The whole payload, with the last part of a HEADERS frame. */
  readonly headers?: Buffer;
}

export const DATA = 0;
export const HEADERS = 1;
const SETTINGS = 4;
/** Not a frame: the client's preface, or bytes that are not HTTP/2. */
export const OPAQUE = -1;

const FRAME_HEADER = 9;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/**
 * Cuts one direction of an HTTP/2 connection (RFC 9113, section 4.1) at its frames, however TCP has cut it. Bytes pass
 * unchanged and at once, apart from an unfinished frame header. What is not HTTP/2 (TLS, say) passes as one opaque stream.
 */
export class Http2Frames {
  #carry: Buffer = Buffer.alloc(0);
  #preface: boolean;
  #opaque = false;
  #started = false;
  /** The frame that is under way. */
  #frame: { type: number; flags: number; streamId: number; left: number; headers: Buffer[] } | undefined;

  constructor(from: 'client' | 'server') {
    this.#preface = from === 'client';
  }

  *read(chunk: Buffer): Generator<FramePart> {
    let rest = this.#carry.length > 0 ? Buffer.concat([this.#carry, chunk]) : chunk;
    this.#carry = Buffer.alloc(0);
    while (rest.length > 0) {
      if (this.#opaque) {
        yield opaque(rest);
        return;
      }
      if (this.#preface) {
        const length = Math.min(rest.length, PREFACE.length);
        if (Buffer.compare(rest.subarray(0, length), PREFACE.subarray(0, length)) !== 0) {
          this.#opaque = true;
          continue;
        }
        if (length < PREFACE.length) return this.#keep(rest);
        this.#preface = false;
        yield opaque(rest.subarray(0, length));
        rest = rest.subarray(length);
        continue;
      }
      if (this.#frame === undefined) {
        if (rest.length < FRAME_HEADER) return this.#keep(rest);
        // Both sides must start with SETTINGS.
        this.#opaque = !this.#started && rest[3] !== SETTINGS;
        this.#started = true;
        if (this.#opaque) continue;
        const part = this.#begin(rest);
        yield part;
        rest = rest.subarray(part.bytes.length);
      } else {
        const part = this.#go(rest, this.#frame.left, false);
        yield part;
        rest = rest.subarray(part.bytes.length);
      }
    }
  }

  #keep(rest: Buffer): void {
    this.#carry = rest;
  }

  #begin(rest: Buffer): FramePart {
    const left = rest.readUIntBE(0, 3);
    this.#frame = {
      type: rest[3]!,
      flags: rest[4]!,
      streamId: rest.readUInt32BE(5) & 0x7fffffff,
      left,
      headers: [],
    };
    return this.#go(rest, FRAME_HEADER + left, true);
  }

  #go(rest: Buffer, wanted: number, first: boolean): FramePart {
    const frame = this.#frame!;
    const bytes = rest.subarray(0, wanted);
    const payload = first ? bytes.subarray(FRAME_HEADER) : bytes;
    frame.left -= payload.length;
    if (frame.type === HEADERS) frame.headers.push(Buffer.from(payload));
    const last = frame.left === 0;
    if (last) this.#frame = undefined;
    const { type, flags, streamId } = frame;
    const headers = last && type === HEADERS ? { headers: Buffer.concat(frame.headers) } : {};
    return { bytes, type, flags, streamId, first, last, ...headers };
  }
}

function opaque(bytes: Buffer): FramePart {
  return { bytes, type: OPAQUE, flags: 0, streamId: 0, first: true, last: true };
}
