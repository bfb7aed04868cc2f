import { isError } from './error-record.js';
import { isTame, tame } from './tame.js';

export type Fields = Record<string, unknown>;

/**
 * The fields as they go into a line: the object itself, if nothing in it needs care, which is the rule; else a copy. On
 * the way of every line, so it allocates nothing and catches nothing: a getter that throws throws here.
 *
 * @param raw names whose values a serializer of pino takes care of.
 */
export function lineFields(fields: Fields, raw: ReadonlySet<string>): Fields {
  for (const key in fields) {
    const value = fields[key];
    if (isOwnName(key)) return copyFields(fields, raw);
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') continue;
    if (!raw.has(key) && !isTame(value) && !(key === 'err' && isError(value))) return copyFields(fields, raw);
  }
  return fields;
}

/**
 * Whether the line itself uses the name. A field of that name would hide what is true, and gets a `_` behind it. The
 * names of fields are interned, as these are, so that each comparison is one of addresses: a Set costs four times as
 * much.
 */
export function isOwnName(name: string): boolean {
  return (
    name === 'level' ||
    name === 'time' ||
    name === 'msg' ||
    name === 'service' ||
    name === 'namespace' ||
    name === 'trace_id' ||
    name === 'span_id'
  );
}

/**
 * A copy that any line can hold, whatever the fields are; never throws. An error in the place of the fields goes under
 * `err`, a list or map under `value`.
 */
export function copyFields(fields: Fields, raw: ReadonlySet<string>): Fields {
  if (isError(fields)) return { err: fields };
  if (Symbol.iterator in fields) return { value: tame(fields) };
  const result: Fields = {};
  for (const key of Object.keys(fields)) {
    // Assigned, it would set the prototype instead of a field.
    if (key === '__proto__') continue;
    const name = isOwnName(key) ? `${key}_` : key;
    try {
      result[name] = raw.has(key) ? fields[key] : tame(fields[key]);
    } catch (failure) {
      result[name] = `[threw ${isError(failure) ? failure.name : 'a value'}]`;
    }
  }
  return result;
}
