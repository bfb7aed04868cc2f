const PADDED = 0x08;
const PRIORITY = 0x20;

/** HPACK's codes of 5 to 8 bits (RFC 7541, appendix B); the code is canonical, so the symbols in order are enough. */
const SYMBOLS: readonly (readonly [bits: number, symbols: string])[] = [
  [5, '012aceiost'],
  [6, ' %-./3456789=A_bdfghlmnpru'],
  [7, ':BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz'],
  [8, '&*,;XZ'],
];

/** Indices of `:path` in HPACK's static table. */
const PATH_INDICES = [4, 5];

/**
 * The `:path` of a request from the payload of its HEADERS frame; `undefined` if it cannot be told. It is sent as a
 * literal by nghttp2 (Node's HTTP/2), which never puts it into HPACK's dynamic table; a client that does stays nameless.
 */
export function requestPath(payload: Buffer, flags: number): string | undefined {
  let start = 0;
  let end = payload.length;
  if ((flags & PADDED) !== 0) end -= payload[start++] ?? 0;
  if ((flags & PRIORITY) !== 0) start += 5;
  const block = new HeaderBlock(payload.subarray(start, end));
  while (!block.done) {
    const path = block.field();
    if (path !== undefined) return path;
  }
  return undefined;
}

class HeaderBlock {
  #at = 0;

  constructor(private readonly bytes: Buffer) {}

  get done(): boolean {
    return this.#at >= this.bytes.length;
  }

  /** Reads one field representation (RFC 7541, section 6); gives its value if it is the path. */
  field(): string | undefined {
    const byte = this.bytes[this.#at]!;
    if ((byte & 0x80) !== 0) {
      this.#integer(7);
      return undefined;
    }
    if ((byte & 0xe0) === 0x20) {
      this.#integer(5);
      return undefined;
    }
    const index = this.#integer((byte & 0x40) !== 0 ? 6 : 4);
    const name = index === 0 ? this.#text() : '';
    const value = this.#text();
    return name === ':path' || PATH_INDICES.includes(index) ? value : undefined;
  }

  #integer(prefix: number): number {
    const mask = 2 ** prefix - 1;
    let value = (this.bytes[this.#at++] ?? 0) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) break;
    }
    return value;
  }

  #text(): string | undefined {
    const huffman = ((this.bytes[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const raw = this.bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return huffman ? decodeHuffman(raw) : raw.toString('latin1');
  }
}

/** `undefined` if a symbol needs more than 8 bits: no path of a gRPC method does. */
function decodeHuffman(bytes: Buffer): string | undefined {
  let text = '';
  let code = 0;
  let length = 0;
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    code = (code << 1) | ((bytes[bit >> 3]! >> (7 - (bit & 7))) & 1);
    length++;
    const symbol = CODES.get(`${length}:${code}`);
    if (symbol !== undefined) {
      text += symbol;
      code = 0;
      length = 0;
    } else if (length > 8) {
      return undefined;
    }
  }
  // What is left over must be padding: fewer than 8 ones.
  return length < 8 && code === 2 ** length - 1 ? text : undefined;
}

const CODES: ReadonlyMap<string, string> = canonicalCodes();

function canonicalCodes(): Map<string, string> {
  const codes = new Map<string, string>();
  let next = 0;
  let length = SYMBOLS[0]![0];
  for (const [bits, symbols] of SYMBOLS) {
    next <<= bits - length;
    length = bits;
    for (const symbol of symbols) codes.set(`${bits}:${next++}`, symbol);
  }
  return codes;
}
