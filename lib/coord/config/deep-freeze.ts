/**
 * Freezes a value and all that hangs on it, and returns it. Values are shared by every reader, so nobody may change one.
 * What cannot be frozen in a useful way (buffers, maps, dates) is left as it is.
 */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  if (ArrayBuffer.isView(value)) return value;
  Object.freeze(value);
  for (const each of Object.values(value)) deepFreeze(each);
  return value;
}
