import { ClosedError } from '../../errors/closed.error.js';
import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { LockTimeoutError } from '../../errors/lock-timeout.error.js';
import type { Deadline } from './deadline.js';
import type { QueueRequest } from './queue-request.js';

export function timeoutError({ label }: QueueRequest, { timeout }: Deadline): LockTimeoutError {
  return new LockTimeoutError(`${label} was not free within ${Math.round(timeout)} ms`);
}

export function unavailableError(
  { label }: QueueRequest,
  { timeout }: Deadline,
  cause: Error,
): CoordUnavailableError {
  return new CoordUnavailableError(
    `etcd could not be asked for ${label} within ${Math.round(timeout)} ms; nothing is held`,
    { cause },
  );
}

export function closedError(): ClosedError {
  return new ClosedError('the lock service was closed');
}
