import { ImInfraError } from './im-infra.error.js';

/** The configuration key does not exist and no default was given. */
export class ConfigNotFoundError extends ImInfraError {
  static readonly code = 'CONFIG_NOT_FOUND';
  readonly code = ConfigNotFoundError.code;
}
