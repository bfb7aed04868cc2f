type Method = (this: unknown, ...args: never[]) => unknown;

/**
 * Puts `around` in the place of a method, so that nobody can tell: the same name, length and prototype chain (a property
 * set on the method is seen on the wrapper), and all metadata that decorators below left on it. Decorators above write
 * theirs on the wrapper. Guards, routes, schedules and transactions work on either side.
 */
export function wrapMethod(method: Method, around: (self: unknown, args: unknown[]) => unknown): Method {
  const wrapper = function (this: unknown, ...args: unknown[]): unknown {
    return around(this, args);
  };
  Object.setPrototypeOf(wrapper, method);
  for (const property of ['name', 'length'] as const) {
    Object.defineProperty(wrapper, property, { value: method[property], configurable: true });
  }
  for (const key of Reflect.getOwnMetadataKeys(method)) {
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, method), wrapper);
  }
  return wrapper;
}
