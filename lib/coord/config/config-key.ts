import { ValidationError } from '../../errors/validation.error.js';

/** Where relative keys live, and which absolute ones may be used. All strings without a trailing `/`. */
export interface KeySpace {
  /** `/config/{env}/{service}`: what a relative key is relative to. */
  readonly service: string;
  /** `/config/{env}/global`: the layer that all services of an environment share. */
  readonly global: string;
  /** Absolute keys must lie under one of these. */
  readonly roots: readonly string[];
}

const LONGEST = 1024;
// \p{Cs} is a surrogate without its partner: it has no bytes in UTF-8, so two different keys would become one.
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u;

/** The absolute key that `key` means. Throws a {@link ValidationError} that names `argument`. */
export function resolveKey(space: KeySpace, key: unknown, argument = 'key'): string {
  if (typeof key !== 'string' || !isPath(key.startsWith('/') ? key.slice(1) : key)) {
    throw new ValidationError(
      argument,
      `a key such as 'db' (relative to ${space.service}/) or '${space.service}/db', of 1 to ${LONGEST} characters, without empty segments, '..' or control characters`,
      key,
    );
  }
  return absolute(space, key, argument);
}

/**
 * The absolute prefix that `prefix` means, with its closing `/`: prefixes end at segments, so that `app` never takes in
 * `app2`. An empty prefix is the folder of the service.
 */
export function resolvePrefix(space: KeySpace, prefix: unknown, argument = 'prefix'): string {
  if (prefix === '') return `${space.service}/`;
  const path = typeof prefix === 'string' && prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  if (typeof path !== 'string' || !isPath(path.startsWith('/') ? path.slice(1) : path)) {
    throw new ValidationError(
      argument,
      `a prefix such as 'features/' (relative to ${space.service}/) or '${space.service}/features/', without empty segments, '..' or control characters`,
      prefix,
    );
  }
  return `${absolute(space, path, argument)}/`;
}

function isPath(path: string): boolean {
  return (
    path.length > 0 &&
    path.length <= LONGEST &&
    !path.includes('..') &&
    !UNPRINTABLE.test(path) &&
    path.split('/').every((segment) => segment !== '' && segment !== '.')
  );
}

function absolute(space: KeySpace, path: string, argument: string): string {
  if (!path.startsWith('/')) return `${space.service}/${path}`;
  if (space.roots.some((root) => path === root || path.startsWith(`${root}/`))) return path;
  const roots = space.roots.map((root) => `${root}/`).join(' or ');
  throw new ValidationError(argument, `a relative key, or an absolute one under ${roots}`, path);
}
