import { describe, expect, it } from 'vitest';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { resolveService } from '../../../lib/options/service.js';

describe('the service options', () => {
  it('fill in the environment and an instance id of their own', () => {
    const [one, other] = [resolveService({ name: 'orders' }), resolveService({ name: 'orders' })];
    expect(one).toMatchObject({ name: 'orders', env: 'dev' });
    expect(one.instanceId).toMatch(/^orders-[0-9a-f]{8}$/);
    expect(other.instanceId).not.toBe(one.instanceId);
  });

  it('give a name of any valid length an instance id that is valid too', () => {
    const { name, instanceId } = resolveService({ name: 'a'.repeat(128) });
    expect(name).toHaveLength(128);
    expect(instanceId).toHaveLength(128);
    expect(() => resolveService({ name: 'a'.repeat(129) })).toThrow(ValidationError);
  });
});
