import { ValidationError } from '../errors/validation.error.js';

/** Reads a moment as milliseconds since 1970. Throws a ValidationError that names `argument`. */
export function checkUntil(argument: string, until: unknown): number | undefined {
  if (until === undefined) return undefined;
  const time =
    until instanceof Date ? until.getTime() : typeof until === 'string' ? Date.parse(until) : until;
  if (typeof time === 'number' && Number.isFinite(time)) return time;
  throw new ValidationError(
    argument,
    "a date such as '2026-01-31T12:00:00Z', or milliseconds since 1970",
    until,
  );
}
