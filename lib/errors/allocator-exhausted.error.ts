import { ImInfraError } from './im-infra.error.js';

/** Every id of the range is in use or resting in quarantine. */
export class AllocatorExhaustedError extends ImInfraError {
  static readonly code = 'ALLOCATOR_EXHAUSTED';
  readonly code = AllocatorExhaustedError.code;
}
