import { describe, expect, it } from 'vitest';
import { sameValue } from '../../../lib/coord/config/same-value.js';
import { secret } from '../../../lib/coord/config/secret.js';

class Cidr {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  get text(): string {
    return this.#text;
  }
}

describe('two values', () => {
  it.each([
    [1, 1],
    [NaN, NaN],
    [{ a: [1, { b: null }] }, { a: [1, { b: null }] }],
    [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ],
    [{ a: secret('x') }, { a: secret('x') }],
    [secret({ a: ['x'] }), secret({ a: ['x'] })],
  ])('are the same: %o and %o', (a, b) => {
    expect(sameValue(a, b)).toBe(true);
  });

  it.each([
    [1, '1'],
    [null, undefined],
    [{}, []],
    [{ a: undefined }, { b: undefined }],
    [{ a: 1 }, { a: 1, b: 1 }],
    [[1], [1, 2]],
    [{ a: secret('x') }, { a: secret('y') }],
    [{ a: secret('x') }, { a: 'x' }],
  ])('are not the same: %o and %o', (a, b) => {
    expect(sameValue(a, b)).toBe(false);
  });

  it('are never the same where they may hide what tells them apart', () => {
    const make = [
      (text: string) => new Cidr(text),
      (text: string) => new URLSearchParams(text),
      (text: string) => new Map([['a', secret(text)]]),
      () => new Date(0),
    ];
    for (const each of make) {
      expect(sameValue({ a: each('x') }, { a: each('y') })).toBe(false);
      const same = each('x');
      expect(sameValue({ a: same }, { a: same })).toBe(true);
    }
  });
});
