import { ValidationError } from '../../errors/validation.error.js';
import { isPlainObject } from './merge-layers.js';

/**
 * Which environment variable sets which path: `{ 'pool.max': 'DB_POOL_MAX' }`. The text is read as JSON where it is JSON
 * (`20`, `true`, `["a"]`), else taken as it is; `{ variable, as: 'text' }` never reads it (a password of digits).
 */
export type EnvMapping = Readonly<
  Record<string, string | { readonly variable: string; readonly as: 'text' | 'json' }>
>;

/** The layer that the variables make; `undefined` when none of them is set. An empty variable is not set. */
export function readEnv(
  mapping: EnvMapping | undefined,
  variables: Readonly<Record<string, string | undefined>>,
): Record<string, unknown> | undefined {
  const layer: Record<string, unknown> = {};
  // From the outside in, so that a path within another is laid on it whichever was named first.
  const depth = ([path]: readonly [string, unknown]): number => path.split('.').length;
  for (const [path, source] of Object.entries(mapping ?? {}).sort((a, b) => depth(a) - depth(b))) {
    const { variable, as } = typeof source === 'string' ? { variable: source, as: 'auto' as const } : source;
    const text = variables[variable];
    if (text === undefined || text === '') continue;
    place(layer, path, as === 'text' ? text : fromText(text, variable, as === 'json'));
  }
  return Object.keys(layer).length > 0 ? layer : undefined;
}

function fromText(text: string, variable: string, must: boolean): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Without the text: it may be a secret.
    if (must) throw new ValidationError(`environment variable ${variable}`, 'JSON');
    return text;
  }
}

function place(layer: Record<string, unknown>, path: string, value: unknown): void {
  const segments = path.split('.');
  if (segments.some((segment) => segment === '' || segment === '__proto__')) {
    throw new ValidationError('env', "paths such as 'pool.max'", path);
  }
  let into = layer;
  for (const segment of segments.slice(0, -1)) {
    const next = (into[segment] ??= {});
    // Without the value: it may be a secret.
    if (!isPlainObject(next))
      throw new ValidationError('env', `an object where ${path} lies within ${segment}`);
    into = next;
  }
  into[segments.at(-1)!] = value;
}
