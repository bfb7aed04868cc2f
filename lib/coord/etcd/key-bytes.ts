/** Unpaired: with the flag `u` a pair is one character. */
const ESCAPED = /[\uDC80-\uDCFF]/u;

/**
 * Keys are bytes in etcd and text here. Bytes that are no UTF-8 are told as lone surrogates, U+DC80 for 0x80 to U+DCFF for
 * 0xFF, which no text contains, and are given back as they were: two keys never look alike, and a list goes on behind the
 * key where it stopped. (Python's `surrogateescape`, PEP 383.)
 */
export function keyToText(bytes: Buffer, start = 0, end = bytes.length): string {
  const text = bytes.toString('utf8', start, end);
  // Node has put U+FFFD where it could not decode; it may as well be in the key itself.
  return text.includes('\uFFFD') ? escape(bytes.subarray(start, end)) : text;
}

export function keyToBytes(text: string): Buffer {
  return ESCAPED.test(text) ? unescape(text) : Buffer.from(text);
}

function escape(key: Buffer): string {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let text = '';
  for (let at = 0; at < key.length;) {
    const length = sequenceLength(key[at]!);
    try {
      text += decoder.decode(key.subarray(at, at + length));
      at += length;
    } catch {
      text += String.fromCharCode(0xdc00 + key[at++]!);
    }
  }
  return text;
}

function unescape(text: string): Buffer {
  const parts: Buffer[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code - 0xdc00) : Buffer.from(character));
  }
  return Buffer.concat(parts);
}

/** How many bytes the character takes that begins with this one; 1 where none can. */
function sequenceLength(first: number): number {
  if (first >= 0xf0) return 4;
  if (first >= 0xe0) return 3;
  return first >= 0xc0 ? 2 : 1;
}
