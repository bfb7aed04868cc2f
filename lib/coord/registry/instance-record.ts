import type { ServiceInstance } from './service-instance.js';

/** The JSON value of a registration, shared with the Go services of the family: id, name, address, port, metadata. */
export function encodeInstance(instance: ServiceInstance): string {
  const { id, name, address, port, metadata } = instance;
  return JSON.stringify({ id, name, address, port, metadata: metadata ?? {} });
}

/**
 * Reads a registration. Throws an `Error` that says what is wrong with it: other languages write these keys too, and so do
 * people with etcdctl.
 *
 * @param name the service, from the key
 * @param id the instance, from the key
 */
export function decodeInstance(name: string, id: string, value: Buffer): ServiceInstance {
  if (id === '' || id.includes('/')) throw new Error('its key is not {service}/{id}');
  const record: unknown = parse(value);
  if (typeof record !== 'object' || record === null) throw new Error('its value is not a JSON object');
  const { id: recordId, name: recordName, address, port, metadata } = record as Record<string, unknown>;
  if (recordId !== undefined && recordId !== id) throw new Error(`its id is not ${id}`);
  if (recordName !== undefined && recordName !== name) throw new Error(`its name is not ${name}`);
  if (typeof address !== 'string' || address === '') throw new Error('its address is not a string');
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Error('its port is not an integer from 1 to 65535');
  }
  return Object.freeze({ id, name, address, port, metadata: readMetadata(metadata) });
}

function parse(value: Buffer): unknown {
  try {
    return JSON.parse(value.toString('utf8'));
  } catch {
    throw new Error('its value is not JSON');
  }
}

/** Go writes a nil map as `null`; numbers and booleans are read as their text. */
function readMetadata(metadata: unknown): Readonly<Record<string, string>> {
  if (metadata === undefined || metadata === null) return Object.freeze({});
  if (typeof metadata !== 'object' || Array.isArray(metadata))
    throw new Error('its metadata is not an object');
  const texts: Record<string, string> = {};
  for (const [key, text] of Object.entries(metadata as Record<string, unknown>)) {
    if (typeof text !== 'string' && typeof text !== 'number' && typeof text !== 'boolean') {
      throw new Error(`its metadata.${key} is not a string`);
    }
    texts[key] = String(text);
  }
  return Object.freeze(texts);
}
