import ms from 'ms';
import { ValidationError } from '../errors/validation.error.js';

/** A span of time: milliseconds, or a string of the `ms` package's grammar such as `'30s'`, `'500ms'`, `'2m'`. */
export type Duration = number | string;

export interface DurationLimits {
  /** The smallest span allowed, in milliseconds. @default 0 */
  readonly min?: number;
  /** The largest span allowed, in milliseconds. @default 2^31 − 1, the longest a timer can wait (24.8 days) */
  readonly max?: number;
  /** Whether `Infinity` may be asked for. @default false */
  readonly infinite?: boolean;
}

const LONGEST_TIMER = 2 ** 31 - 1;

/** Reads a {@link Duration} as milliseconds. Throws a {@link ValidationError} that names `argument`. */
export function parseDuration(argument: string, value: unknown, limits: DurationLimits = {}): number {
  const { min = 0, max = LONGEST_TIMER, infinite = false } = limits;
  const span = typeof value === 'string' ? parse(value) : value;
  if (infinite && span === Infinity) return Infinity;
  if (typeof span === 'number' && span >= min && span <= max) return span;
  const least = min > 0 ? ` of at least ${ms(min)}` : '';
  const most = max < LONGEST_TIMER ? ` and at most ${ms(max)}` : '';
  throw new ValidationError(
    argument,
    `a duration${least}${most} (milliseconds or a string such as '30s')`,
    value,
  );
}

/** `ms` throws on an empty or very long string and gives `undefined` for one it cannot read; both mean "not a duration". */
function parse(text: string): number | undefined {
  return text.length > 0 && text.length <= 100 ? ms(text as ms.StringValue) : undefined;
}
