import { ClosedError } from '../../errors/closed.error.js';
import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { LockTimeoutError } from '../../errors/lock-timeout.error.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import { CallerAborted, type CallerLeft } from './caller-left.js';
import type { Deadline } from './deadline.js';
import type { QueueRequest } from './queue-request.js';

function timeoutError({ label }: QueueRequest, { timeout }: Deadline): LockTimeoutError {
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

/** What a caller that left is told: the reason of its own signal, or that its time is over. */
export function leftError(
  why: CallerLeft,
  request: QueueRequest,
  deadline: Deadline,
  { status }: Pick<EtcdClient, 'status'>,
): unknown {
  if (why instanceof CallerAborted) return why.reason;
  return status === 'ready' ? timeoutError(request, deadline) : unavailableError(request, deadline, why);
}
