import { describe, expect, it } from 'vitest';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { parseDuration } from '../../../lib/options/duration.js';

describe('a duration', () => {
  it.each([
    [1_500, 1_500],
    ['500ms', 500],
    ['30s', 30_000],
    ['2m', 120_000],
    ['1.5h', 5_400_000],
    ['0', 0],
  ])('%j is %i ms', (given, ms) => expect(parseDuration('ttl', given)).toBe(ms));

  it.each(['', 'soon', '10 parsecs', Number.NaN, -1, null, {}, undefined, Infinity, '1y', 'x'.repeat(200)])(
    'refuses %j and names the argument',
    (given) => {
      expect(() => parseDuration('lock.ttl', given)).toThrow(ValidationError);
      expect(() => parseDuration('lock.ttl', given)).toThrow(/^lock\.ttl takes a duration/);
    },
  );

  it('says its limits', () => {
    expect(() => parseDuration('ttl', '900ms', { min: 2_000 })).toThrow(
      "ttl takes a duration of at least 2s (milliseconds or a string such as '30s'), got '900ms'",
    );
    expect(() => parseDuration('ttl', '2h', { max: 3_600_000 })).toThrow(/at most 1h/);
  });

  it('may be endless only where that is allowed', () => {
    expect(parseDuration('timeout', Infinity, { infinite: true })).toBe(Infinity);
  });
});
