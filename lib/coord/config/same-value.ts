import { isPlainObject } from './merge-layers.js';
import { isSecret } from './secret.js';

/**
 * Deep equality of what a schema gives. It sees into secrets: a new password is a change. Objects that are neither plain nor
 * arrays (instances of classes, maps, URLs) are equal only to themselves: what tells two of them apart may be private, and a
 * change that is told without need does less harm than one that is never told.
 */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (isSecret(a) && isSecret(b)) return sameValue(a.reveal(), b.reveal());
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((each, at) => sameValue(each, b[at]));
  }
  if (!isPlainObject(a) || !isPlainObject(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && sameValue(a[name], b[name]))
  );
}
