import { describe, expect, it } from 'vitest';
import { decodeInstance, encodeInstance } from '../../../lib/coord/registry/instance-record.js';

const decode = (record: unknown, id = 'a'): ReturnType<typeof decodeInstance> =>
  decodeInstance('user', id, Buffer.from(typeof record === 'string' ? record : JSON.stringify(record)));

describe('the record of an instance', () => {
  it('reads what it wrote', () => {
    const instance = { id: 'a', name: 'user', address: '::1', port: 1, metadata: { zone: 'ö' } };
    expect(decode(encodeInstance(instance))).toEqual(instance);
  });

  it('takes name and id from the key where the value has none, and a missing map as an empty one', () => {
    expect(decode({ address: 'a', port: 1 })).toEqual({
      id: 'a',
      name: 'user',
      address: 'a',
      port: 1,
      metadata: {},
    });
    expect(decode({ address: 'a', port: 1, metadata: null }).metadata).toEqual({});
  });

  it('reads numbers and booleans of the metadata as their text', () => {
    expect(decode({ address: 'a', port: 1, metadata: { weight: 5, canary: true } }).metadata).toEqual({
      weight: '5',
      canary: 'true',
    });
  });

  it.each([
    ['', 'its value is not JSON'],
    ['{', 'its value is not JSON'],
    ['null', 'its value is not a JSON object'],
    [{ id: 'b', address: 'a', port: 1 }, 'its id is not a'],
    [{ name: 'order', address: 'a', port: 1 }, 'its name is not user'],
    [{ port: 1 }, 'its address is not a string'],
    [{ address: 'a', port: '1' }, 'its port is not an integer from 1 to 65535'],
    [{ address: 'a', port: 65_536 }, 'its port is not an integer from 1 to 65535'],
    [{ address: 'a', port: 1, metadata: [] }, 'its metadata is not an object'],
    [{ address: 'a', port: 1, metadata: { a: null } }, 'its metadata.a is not a string'],
  ])('refuses %j: %s', (record, message) => {
    expect(() => decode(record)).toThrow(message);
  });

  it('refuses a key with more than an id behind the service', () => {
    expect(() => decode({ address: 'a', port: 1 }, 'a/b')).toThrow('its key is not {service}/{id}');
  });
});
