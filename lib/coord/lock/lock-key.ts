import { ValidationError } from '../../errors/validation.error.js';

const LONGEST_KEY = 512;

/**
 * A lock's key as applications write it: 1 to 512 characters, segments between `/` neither empty nor `..` (both are the
 * mark of a forgotten part: `order/` + undefined id). Throws a {@link ValidationError} that names `argument`.
 */
export function checkLockKey(argument: string, value: unknown): string {
  if (
    typeof value === 'string' &&
    value.length <= LONGEST_KEY &&
    // A lone surrogate has no UTF-8 form: two such keys would be one in etcd.
    value.isWellFormed() &&
    value.split('/').every((segment) => segment !== '' && segment !== '..')
  ) {
    return value;
  }
  throw new ValidationError(
    argument,
    `a string of 1 to ${LONGEST_KEY} characters whose segments between "/" are neither empty nor ".."`,
    value,
  );
}

/** One key or several; the same key twice is the same key once. */
export function checkLockKeys(argument: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [checkLockKey(argument, value)];
  if (value.length >= 1 && value.length <= 32) {
    return [...new Set(value.map((each, index) => checkLockKey(`${argument}[${index}]`, each)))];
  }
  throw new ValidationError(argument, 'a key or an array of 1 to 32 keys', value);
}

/**
 * A key as one path segment. Only `/` needs escaping, so that `a` and `a/b` never wait for each other; every other key is
 * written as it is, so that Go's `concurrency.Mutex` and `etcdctl lock` name the same lock. A `%` is escaped only
 * where it would read as one of our own escapes.
 */
export function escapeKey(key: string): string {
  return key.replace(/%(?=2F|25)/g, '%25').replaceAll('/', '%2F');
}

/** The key that {@link escapeKey} made `segment` of. */
export function unescapeKey(segment: string): string {
  return segment.replace(/%2F|%25/g, (escape) => (escape === '%2F' ? '/' : '%'));
}
