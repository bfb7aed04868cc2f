import { failureNote, isError } from './error-record.js';
import { type Budget, WHOLE_BUDGET, isTame, tame } from './tame.js';

export type Fields = Record<string, unknown>;

/** What the fields of the line that is looked at may still hold: reused, since looking must allocate nothing. */
const looked: Budget = { left: 0 };

/**
 * The fields as they go into a line: the object itself, if nothing in it needs care, which is the rule; else a copy. On
 * the way of every line, so it allocates nothing and catches nothing: a getter that throws throws here.
 *
 * @param raw names whose values a serializer of pino takes care of.
 */
export function lineFields(fields: Fields, raw: ReadonlySet<string>): Fields {
  // Errors, of other realms too, lists and maps have no fields that pino would see.
  if (Object.getPrototypeOf(fields) !== Object.prototype) return copyFields(fields, raw);
  looked.left = WHOLE_BUDGET;
  for (const key in fields) {
    const value = fields[key];
    if (isOwnName(key)) return copyFields(fields, raw);
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') continue;
    if (raw.has(key) || isTame(value, looked) || (key === 'err' && isError(value))) continue;
    return copyFields(fields, raw);
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
  const budget: Budget = { left: WHOLE_BUDGET };
  if (isError(fields)) return { err: raw.has('err') ? fields : tame(fields, budget) };
  const result: Fields = {};
  try {
    if (Symbol.iterator in fields) return { value: tame(fields, budget) };
    for (const key of Object.keys(fields)) {
      // Assigned, it would set the prototype instead of a field.
      if (key === '__proto__') continue;
      const name = isOwnName(key) ? `${key}_` : key;
      const value = read(fields, key);
      result[name] = raw.has(key) ? value : tame(value, budget);
    }
    return result;
  } catch (failure) {
    return { ...result, value: failureNote(failure) };
  }
}

/** A field, or a note if it throws when it is read. */
function read(fields: Fields, key: string): unknown {
  try {
    return fields[key];
  } catch (failure) {
    return failureNote(failure);
  }
}

/** The own fields of an object, read once and without throwing. */
export function readFields(fields: Fields): Fields {
  const result: Fields = {};
  for (const key of Object.keys(fields)) {
    if (key !== '__proto__') result[key] = read(fields, key);
  }
  return result;
}
