/**
 * Lays `over` on `under`: plain objects are merged by property, everything else (arrays too) replaces, and a property that
 * is `null` in `over` deletes the one below (RFC 7386, JSON Merge Patch). Neither argument is changed.
 */
export function mergeLayer(under: unknown, over: unknown): unknown {
  if (over === undefined) return under;
  if (!isPlainObject(over)) return over;
  const merged: Record<string, unknown> = isPlainObject(under) ? { ...under } : {};
  for (const [name, value] of Object.entries(over)) {
    // JSON.parse makes `__proto__` an own property; assigning it would change the prototype of the merged value.
    if (name === '__proto__') continue;
    if (value === null) delete merged[name];
    else merged[name] = mergeLayer(Object.hasOwn(merged, name) ? merged[name] : undefined, value);
  }
  return merged;
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
