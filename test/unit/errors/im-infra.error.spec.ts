import { describe, expect, it } from 'vitest';
import { ImInfraError } from '../../../lib/errors/im-infra.error.js';
import { LockLostError } from '../../../lib/errors/lock-lost.error.js';
import { LockTimeoutError } from '../../../lib/errors/lock-timeout.error.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';

describe('errors of this library', () => {
  it('have a name, a stable code and a cause', () => {
    const cause = new Error('below');
    const error = new LockLostError('lost', { cause });
    expect(error).toMatchObject({ name: 'LockLostError', code: 'LOCK_LOST', message: 'lost', cause });
    expect(error).toBeInstanceOf(Error);
  });

  it('are told apart by instanceof', () => {
    const error = new LockLostError('lost');
    expect(error).toBeInstanceOf(ImInfraError);
    expect(error).toBeInstanceOf(LockLostError);
    expect(error).not.toBeInstanceOf(LockTimeoutError);
    expect(new Error('lost')).not.toBeInstanceOf(ImInfraError);
    expect(undefined).not.toBeInstanceOf(LockLostError);
  });

  it('are recognised across two copies of the library in one process', () => {
    const foreign = Object.defineProperty(
      Object.assign(new Error('lost'), { code: 'LOCK_LOST' }),
      Symbol.for('im-infra:error'),
      { value: true },
    );
    expect(foreign).toBeInstanceOf(LockLostError);
    expect(foreign).toBeInstanceOf(ImInfraError);
    expect(foreign).not.toBeInstanceOf(LockTimeoutError);
  });

  it('keep instanceof right for classes that applications derive', () => {
    class OrderLockLost extends LockLostError {}
    expect(new OrderLockLost('lost')).toBeInstanceOf(LockLostError);
    expect(new OrderLockLost('lost')).toBeInstanceOf(OrderLockLost);
    expect(new LockLostError('lost')).not.toBeInstanceOf(OrderLockLost);
  });

  it('name the argument, what it takes and what it got', () => {
    const error = new ValidationError('coord.sessionTtl', 'a duration', '900ms');
    expect(error.message).toBe("coord.sessionTtl takes a duration, got '900ms'");
    expect(error.argument).toBe('coord.sessionTtl');
    expect(new ValidationError('coord.password', 'a string').message).toBe('coord.password takes a string');
  });
});
