import { describe, expect, it } from 'vitest';
import { checkComputedKey, keyTemplate } from '../../../lib/coord/lock/key-template.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';

describe('a key template', () => {
  it('takes arguments by index and their properties by name', () => {
    expect(keyTemplate('order:{0.id}:{1}', 2)([{ id: 7 }, 'x'])).toBe('order:7:x');
    expect(keyTemplate('{0.items.0.sku}', 1)([{ items: [{ sku: 'a-1' }] }])).toBe('a-1');
    expect(keyTemplate('id:{0}', 1)([12n])).toBe('id:12');
    expect(keyTemplate('zero:{0}', 1)([0])).toBe('zero:0');
  });

  it('without a placeholder is one key for all calls', () => {
    expect(keyTemplate('report', 0)([])).toBe('report');
  });

  it.each([
    'order:{id}',
    'order:{0',
    'order:0}',
    'order:{}',
    'order:{0.}',
    'order:{0..id}',
    '{{0}}',
    'o{-1}',
  ])('is refused when it is written: %s', (template) => {
    expect(() => keyTemplate(template, undefined)).toThrow(ValidationError);
  });

  it('that names an argument the method does not have is refused', () => {
    expect(() => keyTemplate('{2}', 2)).toThrow(/the method has 2 argument/);
    expect(() => keyTemplate('{2}', undefined)).not.toThrow();
  });

  it.each([
    [undefined],
    [null],
    [''],
    [{}],
    [[]],
    [Number.NaN],
    [Number.POSITIVE_INFINITY],
    [() => 1],
    [true],
  ])('refuses the part %j at the call, and says which it is', (value) => {
    expect(() => keyTemplate('order:{0.id}', 1)([{ id: value }])).toThrow(
      /\{0\.id\} of the lock key 'order:\{0\.id\}'/,
    );
  });

  it('refuses a part below something that is not there', () => {
    expect(() => keyTemplate('order:{0.customer.id}', 1)([{}])).toThrow(ValidationError);
    expect(() => keyTemplate('order:{0.customer.id}', 1)([null])).toThrow(ValidationError);
  });
});

describe('the key that a function made', () => {
  it('may be one or several', () => {
    expect(checkComputedKey('order:1')).toEqual(['order:1']);
    expect(checkComputedKey(['a', 'b'])).toEqual(['a', 'b']);
    expect(checkComputedKey('nullable:undefinedness')).toEqual(['nullable:undefinedness']);
    expect(checkComputedKey('order-7_a:b/c')).toEqual(['order-7_a:b/c']);
    expect(checkComputedKey('id:_x-')).toEqual(['id:_x-']);
  });

  it.each([
    'order:undefined',
    'order/null',
    'order-undefined',
    'order_null_x',
    'order NaN',
    'order.undefined.x',
    'order:',
    ':7',
    'order::x',
    'a:b::',
    'NaN',
    '[object Object]',
    'a:[object Promise]',
    'order/',
    '',
    7,
    undefined,
    [],
  ])('is refused as %j', (key) => {
    expect(() => checkComputedKey(key)).toThrow(ValidationError);
  });
});
