import { ValidationError } from '../errors/validation.error.js';

/** Dotted segments without white space, control characters and `*`. */
const NAMESPACE = /^[^\s.*\p{Cc}]+(?:\.[^\s.*\p{Cc}]+)*$/u;
const LONGEST = 256;

/** `user`, or several segments at once, `im-infra.coord`. */
export function checkNamespace(argument: string, value: unknown): string {
  if (typeof value === 'string' && value.length <= LONGEST && NAMESPACE.test(value)) return value;
  throw new ValidationError(
    argument,
    `a namespace, 1 to ${LONGEST} characters in segments joined by ".", without spaces and "*"`,
    value,
  );
}

/**
 * What a pattern covers: `a.b` and `a.b.*` mean the namespace `a.b` and all below it; `*` and the empty string mean
 * everything. Throws a ValidationError that names `argument`.
 */
export function patternPrefix(argument: string, pattern: unknown): string {
  if (pattern === '' || pattern === '*') return '';
  const prefix = typeof pattern === 'string' ? pattern.replace(/\.\*$/, '') : pattern;
  if (typeof prefix === 'string' && prefix.length <= LONGEST && NAMESPACE.test(prefix)) return prefix;
  throw new ValidationError(argument, `a namespace, or one and ".*": 'im-gateway.user.*'`, pattern);
}
