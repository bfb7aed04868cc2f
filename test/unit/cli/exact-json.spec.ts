import { describe, expect, it } from 'vitest';
import { parseExact, stringifyExact } from '../../../lib/cli/exact-json.js';

describe('JSON that is only carried', () => {
  it.each([
    '12345678901234567890',
    '{"id":12345678901234567890,"list":[1.0,1e3,-0,0.1,5],"text":"12345678901234567890, \\"1.0\\""}',
    '"\\ue000"',
    'null',
  ])('comes out as it went in: %s', (text) => {
    expect(stringifyExact(parseExact(text))).toBe(text.replace('\\ue000', '\ue000'));
  });

  it('is a value like any other where JavaScript can keep it', () => {
    const text = '{"a":[1,2.5,{"b":null}],"c":"x"}';
    expect(parseExact(text)).toEqual(JSON.parse(text));
    expect(stringifyExact({ a: 1 }, 2)).toBe('{\n  "a": 1\n}');
  });

  it.each(['', '{', '01', '1.', '{"a":1,}', 'no json'])('is JSON, not %j', (text) => {
    expect(() => parseExact(text)).toThrow(SyntaxError);
  });

  it('tells numbers apart by what is written', () => {
    expect(parseExact('12345678901234567890')).not.toEqual(parseExact('12345678901234567891'));
  });
});
