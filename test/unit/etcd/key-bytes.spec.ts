import { describe, expect, it } from 'vitest';
import { keyToBytes, keyToText } from '../../../lib/coord/etcd/key-bytes.js';
import { SeededRandom } from '../../../lib/testing/index.js';

describe('a key', () => {
  it.each(['', '/services/a', 'ключ', '鍵/🔑', '\uFEFFbom', '\0'])('is its text: %j', (text) => {
    expect(keyToText(Buffer.from(text))).toBe(text);
    expect(keyToBytes(text)).toEqual(Buffer.from(text));
  });

  it('that is no UTF-8 has a text of its own, which gives its bytes back', () => {
    const keys = [
      [0xff],
      [0xfe],
      [0x61, 0x80],
      [0xc3, 0x28],
      [0xe2, 0x82],
      [0xed, 0xb2, 0x80],
      [0xef, 0xbf, 0xbd, 0xff],
    ];
    const texts = keys.map((key) => keyToText(Buffer.from(key)));
    expect(new Set(texts).size).toBe(keys.length);
    expect(texts.map((text) => [...keyToBytes(text)])).toEqual(keys);
  });

  it('of any bytes comes back as it was', () => {
    const random = new SeededRandom(3);
    for (let times = 0; times < 2_000; times++) {
      const key = Buffer.from(Array.from({ length: random.integer(1, 12) }, () => random.integer(0, 255)));
      expect(keyToBytes(keyToText(key))).toEqual(key);
    }
  });
});
