import { isSecret, REDACTED } from './secret.js';

/** Where in values of one shape the secrets are: one node a property, `*` for all elements of an array. */
export interface SecretPaths {
  readonly secret: boolean;
  readonly below: ReadonlyMap<string, SecretPaths>;
}

/** All of the value is one. */
export const ALL_SECRET: SecretPaths = { secret: true, below: new Map() };

/**
 * The places of the secrets in a value that a schema made of `input`; `undefined`: there are none. A secret that has no
 * place in the input (the schema moved it, or keeps it in a map) may be anywhere in it: then all of the input is one.
 */
export function secretPaths(value: unknown, input: unknown): SecretPaths | undefined {
  const found = placesIn(value);
  return found && areIn(found, input) ? found : found && ALL_SECRET;
}

/** All places of both. */
export function joinPaths(a: SecretPaths | undefined, b: SecretPaths): SecretPaths {
  if (!a) return b;
  const below = new Map(a.below);
  for (const [name, paths] of b.below) below.set(name, joinPaths(below.get(name), paths));
  return { secret: a.secret || b.secret, below };
}

/** Whether `b` has no place that `a` does not have. */
export function hasPaths(a: SecretPaths | undefined, b: SecretPaths): boolean {
  if (!a) return false;
  if (a.secret) return true;
  return !b.secret && [...b.below].every(([name, paths]) => hasPaths(a.below.get(name), paths));
}

/** A copy of `value` without what stands at the places; `value` itself where nothing does. */
export function redactPaths(value: unknown, paths: SecretPaths | undefined): unknown {
  if (!paths || value === undefined || value === null) return value;
  if (paths.secret) return REDACTED;
  if (typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((each) => redactPaths(each, paths.below.get('*')));
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, redactPaths(each, paths.below.get(name))]),
  );
}

/** The places below `segments`; of a place inside of a secret, that secret. */
export function pathsAt(
  paths: SecretPaths | undefined,
  segments: readonly string[],
): SecretPaths | undefined {
  let current = paths;
  for (const segment of segments) {
    if (!current || current.secret) return current;
    current = current.below.get(segment) ?? (/^\d+$/.test(segment) ? current.below.get('*') : undefined);
  }
  return current;
}

/** @param above what the value stands in: one that is in itself has been looked at */
function placesIn(value: unknown, above: readonly object[] = []): SecretPaths | undefined {
  if (isSecret(value)) return ALL_SECRET;
  if (typeof value !== 'object' || value === null || above.includes(value)) return undefined;
  const chain = [...above, value];
  // What a map or a set holds stands elsewhere in what it was made of.
  if (value instanceof Map || value instanceof Set) return placesIn([...value].flat(), chain) && ALL_SECRET;
  let found: SecretPaths | undefined;
  for (const [name, each] of Object.entries(value)) {
    const paths = placesIn(each, chain);
    if (!paths) continue;
    const at = Array.isArray(value) ? '*' : name;
    found = joinPaths(found, { secret: false, below: new Map([[at, paths]]) });
  }
  return found;
}

function areIn(paths: SecretPaths, input: unknown): boolean {
  if (paths.secret) return input !== undefined;
  return [...paths.below].every(([name, each]) => {
    if (name === '*' && Array.isArray(input)) return input.some((element) => areIn(each, element));
    const open = typeof input === 'object' && input !== null && Object.hasOwn(input, name);
    return open && areIn(each, (input as Record<string, unknown>)[name]);
  });
}
