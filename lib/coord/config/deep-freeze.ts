import { isPlainObject } from './merge-layers.js';

/** Values that are frozen down to the last property: an object that is frozen itself need not be. */
const frozen = new WeakSet<object>();

/**
 * Freezes a value and all that hangs on it, and returns it. Values are shared by every reader, so nobody may change one.
 * What cannot be frozen in a useful way (buffers, the contents of maps and dates) is left as it is.
 */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || frozen.has(value)) return value;
  freeze(value, new Set());
  frozen.add(value);
  return value;
}

/** A copy to be frozen in place of a value that belongs to the caller. Only plain objects and arrays are copied. */
export function copyOf<T>(value: T): T {
  if (Array.isArray(value)) return value.map(copyOf) as T;
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copyOf(each)])) as T;
}

function freeze(value: object, seen: Set<object>): void {
  // Not `isFrozen`: schemas of some libraries freeze the outermost object alone (zod's `readonly()`).
  if (seen.has(value) || frozen.has(value) || ArrayBuffer.isView(value)) return;
  seen.add(value);
  Object.freeze(value);
  for (const each of Object.values(value) as unknown[]) {
    if (typeof each === 'object' && each !== null) freeze(each, seen);
  }
}
