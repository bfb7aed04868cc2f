import { describe, expect, it } from 'vitest';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { budgetOf } from '../../../lib/coord/etcd/etcd.options.js';

describe('the budget of a call', () => {
  it.each([
    [undefined, 5_000],
    [200, 200],
    ['2s', 2_000],
    [Infinity, Infinity],
  ])('of %j is %d ms', (timeout, ms) => {
    expect(budgetOf(timeout === undefined ? {} : { timeout }, 5_000)).toBe(ms);
  });

  it.each(['soon', -1, Number.NaN])('is refused for %j, by its name', (timeout) => {
    expect(() => budgetOf({ timeout }, 5_000)).toThrow(ValidationError);
    expect(() => budgetOf({ timeout }, 5_000)).toThrow(/^timeout takes a duration/);
  });
});
