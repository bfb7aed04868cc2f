import { isSecret, REDACTED } from './secret.js';

/** Where in values of one shape the secrets are: one node a property, `*` for all elements of an array. */
export interface SecretPaths {
  readonly secret: boolean;
  readonly below: ReadonlyMap<string, SecretPaths>;
}

/** The places of the secrets in a value that a schema made; `undefined`: there are none. */
export function secretPaths(value: unknown): SecretPaths | undefined {
  if (isSecret(value)) return { secret: true, below: new Map() };
  if (typeof value !== 'object' || value === null) return undefined;
  let found: SecretPaths | undefined;
  for (const [name, each] of Object.entries(value)) {
    const paths = secretPaths(each);
    if (!paths) continue;
    const at = Array.isArray(value) ? '*' : name;
    found = joinPaths(found, { secret: false, below: new Map([[at, paths]]) });
  }
  return found;
}

/** All places of both. */
export function joinPaths(a: SecretPaths | undefined, b: SecretPaths): SecretPaths {
  if (!a) return b;
  const below = new Map(a.below);
  for (const [name, paths] of b.below) below.set(name, joinPaths(below.get(name), paths));
  return { secret: a.secret || b.secret, below };
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
