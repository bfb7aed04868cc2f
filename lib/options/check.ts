import { ValidationError } from '../errors/validation.error.js';

/** A service name, environment, election name: one path segment that is safe in a key, a host name and a log line. */
export function checkName(argument: string, value: unknown): string {
  if (typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(value) && !value.includes('..'))
    return value;
  throw new ValidationError(
    argument,
    'a name of 1 to 128 letters, digits, ".", "_" and "-" that starts with a letter or digit and has no ".."',
    value,
  );
}

export function checkPort(argument: string, value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535) return value;
  throw new ValidationError(argument, 'a port, an integer from 1 to 65535', value);
}

export function checkString(argument: string, value: unknown): string {
  if (typeof value === 'string' && value.length > 0) return value;
  throw new ValidationError(argument, 'a string that is not empty', value);
}

export function checkInteger(argument: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new ValidationError(argument, `an integer from ${min} to ${max}`, value);
}

export function checkOneOf<const T extends string>(
  argument: string,
  value: unknown,
  allowed: readonly T[],
): T {
  if (allowed.includes(value as T)) return value as T;
  throw new ValidationError(argument, `one of ${allowed.map((each) => `'${each}'`).join(', ')}`, value);
}
