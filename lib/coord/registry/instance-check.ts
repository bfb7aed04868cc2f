import { ValidationError } from '../../errors/validation.error.js';
import { checkName, checkPort } from '../../options/check.js';
import { MAX_WEIGHT, WEIGHT } from './instance-traits.js';
import type { ServiceInstance } from './service-instance.js';

/** etcd takes 1.5 MiB; every client of the service keeps the value in memory, so the limit is far below. */
const MAX_METADATA = 16 * 1024;

/** Refuses an instance that must not be published, before anything is sent. Returns a frozen copy. */
export function checkInstance(instance: ServiceInstance): ServiceInstance {
  if (typeof instance !== 'object' || instance === null) {
    throw new ValidationError('instance', 'an object { name, address, port }', instance);
  }
  const { metadata } = instance;
  // The name first: an id that is not given is made of it.
  const name = checkName('instance.name', instance.name);
  return Object.freeze({
    id: checkInstanceId('instance.id', instance.id),
    name,
    address: checkAddress('instance.address', instance.address),
    port: checkPort('instance.port', instance.port),
    ...(metadata !== undefined && { metadata: checkMetadata('instance.metadata', metadata) }),
  });
}

/** An id is the last segment of a key. */
export function checkInstanceId(argument: string, value: unknown): string {
  if (typeof value === 'string' && /^[^\s/\\\p{C}]{1,256}$/u.test(value) && !/^\.{1,2}$/.test(value))
    return value;
  throw new ValidationError(
    argument,
    'an id of 1 to 256 characters without "/", "\\" and white space',
    value,
  );
}

/** A host name or an IP address, without scheme and port. */
export function checkAddress(argument: string, value: unknown): string {
  if (typeof value === 'string' && value.length <= 255) {
    if (/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_])?$/.test(value)) return value;
    if (/^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9._-]+)?$/.test(value)) return value;
  }
  throw new ValidationError(argument, 'a host name or an IP address without scheme and port', value);
}

export function checkMetadata(argument: string, value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ValidationError(argument, 'an object of strings', value);
  }
  let size = 0;
  const copy: Record<string, string> = {};
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw new ValidationError(`${argument}.${key}`, 'a string', text);
    size += key.length + text.length;
    copy[key] = text;
  }
  if (size > MAX_METADATA) {
    throw new ValidationError(argument, `at most ${MAX_METADATA} characters in all, not ${size}`);
  }
  if (copy[WEIGHT] !== undefined) checkWeight(`${argument}.${WEIGHT}`, copy[WEIGHT]);
  return Object.freeze(copy);
}

/** A weight as an option (a number) or as metadata (its text). */
export function checkWeight(argument: string, value: unknown): string {
  const weight = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof weight === 'number' && weight >= 0 && weight <= MAX_WEIGHT) return String(weight);
  throw new ValidationError(argument, `a number from 0 to ${MAX_WEIGHT}`, value);
}
