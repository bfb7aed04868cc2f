import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { copyOf, deepFreeze } from '../../../lib/coord/config/deep-freeze.js';

describe('freezing', () => {
  it('reaches everything, also below what is frozen itself', () => {
    const schema = z.object({ pool: z.object({ hosts: z.array(z.object({})) }) }).readonly();
    const value = deepFreeze(schema.parse({ pool: { hosts: [{}] } }));
    expect(Object.isFrozen(value.pool)).toBe(true);
    expect(Object.isFrozen(value.pool.hosts)).toBe(true);
    expect(Object.isFrozen(value.pool.hosts[0])).toBe(true);
  });

  it('ends where a value refers to itself, and leaves buffers alone', () => {
    const value: { self?: unknown; bytes: Buffer } = { bytes: Buffer.from('x') };
    value.self = value;
    expect(Object.isFrozen(deepFreeze(value))).toBe(true);
    value.bytes[0] = 1;
    expect(value.bytes[0]).toBe(1);
  });

  it('takes a copy of what belongs to somebody else', () => {
    const mine = { a: [{ b: 1 }], at: new Date(0) };
    const copy = deepFreeze(copyOf(mine));
    expect(copy).toEqual(mine);
    expect(copy.at).toBe(mine.at);
    expect(Object.isFrozen(mine.a[0])).toBe(false);
  });
});
