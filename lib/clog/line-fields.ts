import { isError } from './error-record.js';
import { isTame, tame } from './tame.js';

export type Fields = Record<string, unknown>;

/** The names that a line itself uses. A field of the same name would hide what is true, and gets a `_` behind it. */
const OWN = new Set(['level', 'time', 'msg', 'service', 'namespace', 'trace_id', 'span_id']);

/**
 * The fields as they go into a line: the object itself, if nothing in it needs care, which is the rule; else a copy.
 *
 * @param raw names whose values a serializer of pino takes care of.
 */
export function lineFields(fields: Fields, raw: ReadonlySet<string>): Fields {
  try {
    for (const key in fields) {
      if (OWN.has(key)) return copyFields(fields, raw);
      const value = fields[key];
      if (typeof value === 'string' || typeof value === 'number') continue;
      if (!raw.has(key) && !isTame(value) && !(key === 'err' && isError(value)))
        return copyFields(fields, raw);
    }
    return fields;
  } catch {
    return copyFields(fields, raw);
  }
}

function copyFields(fields: Fields, raw: ReadonlySet<string>): Fields {
  const result: Fields = {};
  for (const key of Object.keys(fields)) {
    // Assigned, it would set the prototype instead of a field.
    if (key === '__proto__') continue;
    const name = OWN.has(key) ? `${key}_` : key;
    try {
      result[name] = raw.has(key) ? fields[key] : tame(fields[key]);
    } catch (failure) {
      result[name] = `[threw ${isError(failure) ? failure.name : 'a value'}]`;
    }
  }
  return result;
}
