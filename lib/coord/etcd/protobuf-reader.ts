import { keyToText } from './key-bytes.js';

const VARINT = 0;
const BYTES = 2;
const NONE = Buffer.alloc(0);
/** Numbers that occur all the time. */
const SMALL = Array.from({ length: 16 }, (_, value) => BigInt(value));

/**
 * Reads a message in the wire format of Protocol Buffers (https://protobuf.dev/programming-guides/encoding): {@link next}
 * goes to the next field of a message, which is then read or {@link skip}ped. Messages are nested: what ends first is read
 * first.
 *
 * A number that is as large as the one before is the same `bigint`: of a thousand keys on one lease, one.
 */
export class ProtobufReader {
  /** The number of the field that comes. */
  field = 0;
  readonly #buffer: Buffer;
  #at = 0;
  #type = VARINT;
  /** The number read last that fits into seven bytes, and as a `bigint`. */
  #number = 0;
  #asBigint = 0n;
  /** The same of the last that did not: its first seven bytes, and what follows them. */
  #low = 0;
  #high = 0;
  #large = 0n;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  /** Where the whole message ends. */
  get end(): number {
    return this.#buffer.length;
  }

  /** Goes to the next field of the message that ends at `end`. @throws RangeError if that is none */
  next(end: number): boolean {
    if (this.#at >= end) {
      if (this.#at > end) throw cutOff();
      return false;
    }
    const head = this.#varint();
    this.field = head >>> 3;
    this.#type = head & 7;
    return true;
  }

  /** Enters a nested message; where it ends. @throws RangeError if that is beyond what was received */
  message(): number {
    const length = this.#varint();
    const end = this.#at + length;
    if (end > this.#buffer.length) throw cutOff();
    return end;
  }

  flag(): boolean {
    return this.#varint() !== 0;
  }

  /** For what is small: an enumeration, a count, an id. */
  number(): number {
    return Number(this.int64());
  }

  int64(): bigint {
    const low = this.#varint();
    if (this.#buffer[this.#at - 1]! < 0x80) return this.#shared(low);
    const high = this.#varint();
    if (low !== this.#low || high !== this.#high) {
      this.#low = low;
      this.#high = high;
      this.#large = BigInt.asIntN(64, (BigInt(high) << 49n) | BigInt(low));
    }
    return this.#large;
  }

  /** A view into what was received, not a copy. */
  bytes(): Buffer {
    const end = this.message();
    const bytes = end === this.#at ? NONE : this.#buffer.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  key(): string {
    const end = this.message();
    const text = keyToText(this.#buffer, this.#at, end);
    this.#at = end;
    return text;
  }

  text(): string {
    const end = this.message();
    const text = this.#buffer.toString('utf8', this.#at, end);
    this.#at = end;
    return text;
  }

  skip(): void {
    if (this.#type === VARINT) {
      while (this.#buffer[this.#at++]! >= 0x80);
    } else if (this.#type === BYTES) this.#at = this.message();
    else this.#at += this.#type === 1 ? 8 : 4;
  }

  #shared(value: number): bigint {
    if (value < SMALL.length) return SMALL[value]!;
    if (value !== this.#number) {
      this.#number = value;
      this.#asBigint = BigInt(value);
    }
    return this.#asBigint;
  }

  /** A number, or the first seven bytes of one that is longer: what is exact in floating point. */
  #varint(): number {
    const buffer = this.#buffer;
    let byte = buffer[this.#at++]!;
    let value = byte & 0x7f;
    let scale = 0x80;
    for (let length = 1; byte >= 0x80 && length < 7; length++) {
      byte = buffer[this.#at++]!;
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
    }
    return value;
  }
}

function cutOff(): RangeError {
  return new RangeError('a message of etcd ends in the middle of a field');
}
