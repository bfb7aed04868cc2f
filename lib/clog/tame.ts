import { errorFields, failureNote, isError } from './error-record.js';

/** How deep and wide a value is followed before it is cut: enough for any record a person reads. */
const DEEPEST = 8;
const WIDEST = 1000;
/** How much of a buffer is shown, in bytes. */
const SHOWN = 32;

/**
 * How many more values a line takes. Depth and width alone let objects that refer to one another grow to their product:
 * twenty friends of each other are a line of 25 MB, and the process stands still meanwhile.
 */
export interface Budget {
  left: number;
}

/** What fits into one line: two milliseconds of work and some 200 kB. */
export const WHOLE_BUDGET = 10_000;

/**
 * Whether JSON shows the value as it is: strings, numbers, booleans, null, and plain objects and arrays of these.
 * Costs no allocation; `depth` and `budget` bound circular and cross-linked values. May throw where a getter throws.
 */
export function isTame(value: unknown, budget: Budget, depth = 6): boolean {
  if (--budget.left < 0) return false;
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
  if (Array.isArray(value)) {
    return value.length <= WIDEST && value.every((each) => isTame(each, budget, depth - 1));
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const key in value) {
    if (!isTame((value as Record<string, unknown>)[key], budget, depth - 1)) return false;
  }
  return true;
}

/**
 * A copy that JSON can show without loss of meaning and without throwing: maps become objects, sets arrays, big
 * integers and symbols strings, buffers their length and first bytes, errors their fields, circular references and
 * throwing getters a note.
 *
 * @param budget shared by what goes into one line.
 */
export function tame(value: unknown, budget: Budget = { left: WHOLE_BUDGET }): unknown {
  return new Copy(budget).of(value);
}

/** One copy: what it may still take, and the objects that it is inside of. */
class Copy {
  readonly #budget: Budget;
  readonly #above: unknown[] = [];

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  of(value: unknown): unknown {
    this.#budget.left--;
    switch (typeof value) {
      case 'bigint':
      case 'symbol':
        return value.toString();
      case 'function':
        return functionNote(value);
      case 'object':
        break;
      default:
        return value;
    }
    if (value === null) return value;
    if (this.#above.includes(value)) return '[circular]';
    if (this.#above.length >= DEEPEST) return '[too deep]';
    this.#above.push(value);
    try {
      return this.#object(value);
    } catch (failure) {
      return failureNote(failure);
    } finally {
      this.#above.pop();
    }
  }

  #object(value: object): unknown {
    if (isError(value)) return this.#fields(errorFields(value));
    // An invalid date would be `null` in JSON, and its reader none the wiser.
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? '[invalid date]' : value;
    if (ArrayBuffer.isView(value)) return bytes(value);
    if (value instanceof ArrayBuffer) return bytes(new Uint8Array(value));
    if (value instanceof Map) return this.#map(value);
    if (Array.isArray(value)) return this.#list(value, value.length);
    if (value instanceof Set) return this.#list(value, value.size);
    if ('toJSON' in value && typeof value.toJSON === 'function') return this.of(value.toJSON());
    if (value instanceof RegExp || value instanceof URLSearchParams) return String(value);
    return this.#fields(value as Record<string, unknown>);
  }

  #fields(value: Readonly<Record<string, unknown>>): unknown {
    const keys = Object.keys(value);
    return this.#record(keys, keys.length, (key) => value[key]);
  }

  #map(map: ReadonlyMap<unknown, unknown>): unknown {
    for (const key of map.keys()) {
      if (typeof key !== 'string' && typeof key !== 'number') return this.#list(map, map.size);
    }
    const values = map.values();
    return this.#record(map.keys() as Iterable<string | number>, map.size, () => values.next().value);
  }

  #list(values: Iterable<unknown>, size: number): unknown {
    const shown: unknown[] = [];
    for (const each of values) {
      if (this.#isFull(shown.length)) {
        shown.push(`[${size - shown.length} more]`);
        break;
      }
      shown.push(this.of(each));
    }
    return shown;
  }

  #record(keys: Iterable<string | number>, size: number, get: (key: string | number) => unknown): unknown {
    const result: Record<string, unknown> = {};
    let shown = 0;
    for (const key of keys) {
      if (this.#isFull(shown)) {
        result['…'] = `[${size - shown} more]`;
        break;
      }
      shown++;
      let value: unknown;
      try {
        value = this.of(get(key));
      } catch (failure) {
        value = failureNote(failure);
      }
      // Assigned, it would set the prototype instead of a field.
      if (key === '__proto__') Object.defineProperty(result, key, { value, enumerable: true });
      else result[key] = value;
    }
    return result;
  }

  #isFull(shown: number): boolean {
    return shown >= WIDEST || this.#budget.left <= 0;
  }
}

function functionNote(value: Function): string {
  try {
    return `[function ${value.name || 'anonymous'}]`;
  } catch {
    return '[function]';
  }
}

function bytes(view: ArrayBufferView): string {
  const buffer = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  const more = buffer.length > SHOWN ? '…' : '';
  return `[${buffer.length} bytes] ${buffer.toString('hex', 0, SHOWN)}${more}`;
}
