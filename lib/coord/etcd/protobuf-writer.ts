import { keyToBytes } from './key-bytes.js';

const VARINT = 0;
const BYTES = 2;
/** A buffer that grew beyond this for one large message is not kept. */
const KEPT = 64 * 1024;
/** Longer text is left to Node, which is slower to call and faster to write. */
const SHORT = 256;

/**
 * Writes a message in the wire format of Protocol Buffers (https://protobuf.dev/programming-guides/encoding), back to front:
 * the last field first, and of each the value before its head. So the length of what is nested is known when it is to be
 * written, without a walk to measure it.
 */
export class ProtobufWriter {
  #buffer = Buffer.allocUnsafeSlow(KEPT);
  /** Where the first byte is that has been written. */
  #at = KEPT;

  /** How many bytes have been written. */
  get length(): number {
    return this.#buffer.length - this.#at;
  }

  /** @throws RangeError if `value` is negative or no safe integer */
  number(field: number, value: number): void {
    if (!(value >= 0 && Number.isSafeInteger(value)))
      throw new RangeError(`${value} is no size, limit or id`);
    this.#varint(value);
    this.#head(field, VARINT);
  }

  flag(field: number): void {
    this.number(field, 1);
  }

  int64(field: number, value: bigint): void {
    if (value >= 0n && value <= Number.MAX_SAFE_INTEGER) this.#varint(Number(value));
    else this.#large(BigInt.asUintN(64, value));
    this.#head(field, VARINT);
  }

  bytes(field: number, value: string | Buffer): void {
    const { length } = this;
    if (typeof value === 'string') this.#text(value);
    else this.#raw(Buffer.isBuffer(value) ? value : Buffer.from(value));
    this.message(field, length);
  }

  key(field: number, key: string): void {
    const { length } = this;
    if (!this.#ascii(key)) this.#raw(keyToBytes(key));
    this.message(field, length);
  }

  /** Makes all that was written since {@link length} was `since` the value of `field`. */
  message(field: number, since: number): void {
    this.#varint(this.length - since);
    this.#head(field, BYTES);
  }

  /** The whole message, a copy; the next one can be written. */
  finish(): Buffer {
    const message = Buffer.from(this.#buffer.subarray(this.#at));
    this.reset();
    return message;
  }

  /** Forgets what was written. */
  reset(): void {
    if (this.#buffer.length > KEPT) this.#buffer = Buffer.allocUnsafeSlow(KEPT);
    this.#at = this.#buffer.length;
  }

  #head(field: number, type: number): void {
    this.#varint(field * 8 + type);
  }

  #varint(value: number): void {
    if (value < 0x80) {
      if (this.#at === 0) this.#grow(1);
      this.#buffer[--this.#at] = value;
      return;
    }
    let length = 1;
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++;
    if (this.#at < length) this.#grow(length);
    this.#at -= length;
    let rest = value;
    for (let i = 0; i < length - 1; i++) {
      this.#buffer[this.#at + i] = (rest % 0x80) + 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#at + length - 1] = rest;
  }

  /** More than the seven groups of seven bits that are exact in floating point. */
  #large(value: bigint): void {
    this.#varint(Number(value >> 49n));
    if (this.#at < 7) this.#grow(7);
    this.#at -= 7;
    let low = Number(BigInt.asUintN(49, value));
    for (let i = 0; i < 7; i++) {
      this.#buffer[this.#at + i] = (low % 0x80) + 0x80;
      low = Math.floor(low / 0x80);
    }
  }

  #text(text: string): void {
    if (this.#ascii(text)) return;
    const length = Buffer.byteLength(text);
    if (this.#at < length) this.#grow(length);
    this.#at -= length;
    this.#buffer.write(text, this.#at);
  }

  /** Writes `text` if it is short and plain; else nothing. */
  #ascii(text: string): boolean {
    const { length } = text;
    if (length > SHORT) return false;
    if (this.#at < length) this.#grow(length);
    const start = this.#at - length;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) return false;
      this.#buffer[start + i] = code;
    }
    this.#at = start;
    return true;
  }

  #raw(bytes: Buffer): void {
    if (this.#at < bytes.length) this.#grow(bytes.length);
    this.#at -= bytes.length;
    bytes.copy(this.#buffer, this.#at);
  }

  #grow(least: number): void {
    const { length } = this;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#buffer.length, length + least));
    this.#buffer.copy(larger, larger.length - length, this.#at);
    this.#buffer = larger;
    this.#at = larger.length - length;
  }
}
