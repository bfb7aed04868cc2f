import { errorRecord, isError } from './error-record.js';

/** How deep and how wide a value is followed before it is cut: enough for any record a person reads. */
const DEEPEST = 10;
const WIDEST = 1000;
/** How much of a buffer is shown, in bytes. */
const SHOWN = 32;

/**
 * Whether JSON shows the value as it is: strings, numbers, booleans, null, and plain objects and arrays of these.
 * Costs no allocation; `depth` bounds circular values. May throw where a getter throws.
 */
export function isTame(value: unknown, depth = 6): boolean {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'undefined':
      return true;
    case 'object':
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth === 0) return false;
  if (Array.isArray(value)) return value.length <= WIDEST && value.every((each) => isTame(each, depth - 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const key in value) {
    if (!isTame((value as Record<string, unknown>)[key], depth - 1)) return false;
  }
  return true;
}

/**
 * A copy that JSON can show without loss of meaning and without throwing: maps become objects, sets arrays, big
 * integers and symbols strings, buffers their length and first bytes, errors records, circular references and
 * throwing getters a note.
 */
export function tame(value: unknown): unknown {
  return copy(value, []);
}

function copy(value: unknown, above: readonly unknown[]): unknown {
  switch (typeof value) {
    case 'bigint':
      return value.toString();
    case 'symbol':
      return value.toString();
    case 'function':
      return `[function ${value.name || 'anonymous'}]`;
    case 'object':
      break;
    default:
      return value;
  }
  if (value === null || value instanceof Date) return dateOrNull(value);
  if (above.includes(value)) return '[circular]';
  if (above.length >= DEEPEST) return '[too deep]';
  try {
    return copyObject(value, [...above, value]);
  } catch (failure) {
    return note(failure);
  }
}

/** An invalid date would be `null` in JSON, and its reader none the wiser. */
function dateOrNull(value: Date | null): unknown {
  return value !== null && Number.isNaN(value.getTime()) ? '[invalid date]' : value;
}

function copyObject(value: object, above: readonly unknown[]): unknown {
  if (isError(value)) return errorRecord(value, (field) => copy(field, above));
  if (ArrayBuffer.isView(value)) return bytes(value);
  if (value instanceof ArrayBuffer) return bytes(new Uint8Array(value));
  if (value instanceof Map) return copyMap(value, above);
  if (Array.isArray(value) || value instanceof Set) return copyList([...(value as Iterable<unknown>)], above);
  if ('toJSON' in value && typeof value.toJSON === 'function') return copy(value.toJSON(), above);
  if (value instanceof RegExp || value instanceof URLSearchParams) return String(value);
  return copyEntries(Object.keys(value), (key) => (value as Record<string, unknown>)[key], above);
}

function copyMap(map: ReadonlyMap<unknown, unknown>, above: readonly unknown[]): unknown {
  const named = [...map.keys()].every((key) => typeof key === 'string' || typeof key === 'number');
  if (!named) return copyList([...map], above);
  const values = new Map([...map].map(([key, each]) => [String(key), each]));
  return copyEntries([...values.keys()], (key) => values.get(key), above);
}

function copyList(list: readonly unknown[], above: readonly unknown[]): unknown {
  const shown = list.slice(0, WIDEST).map((each) => copy(each, above));
  return list.length > WIDEST ? [...shown, `[${list.length - WIDEST} more]`] : shown;
}

function copyEntries(
  keys: readonly string[],
  get: (key: string) => unknown,
  above: readonly unknown[],
): unknown {
  // Without a prototype a key named `__proto__` is a key like any other.
  const result = Object.create(null) as Record<string, unknown>;
  for (const key of keys.slice(0, WIDEST)) {
    try {
      result[key] = copy(get(key), above);
    } catch (failure) {
      result[key] = note(failure);
    }
  }
  if (keys.length > WIDEST) result['…'] = `[${keys.length - WIDEST} more]`;
  return result;
}

function bytes(view: ArrayBufferView): string {
  const buffer = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  const more = buffer.length > SHOWN ? '…' : '';
  return `[${buffer.length} bytes] ${buffer.toString('hex', 0, SHOWN)}${more}`;
}

function note(failure: unknown): string {
  return `[threw ${failure instanceof Error ? failure.name : 'a value'}]`;
}
