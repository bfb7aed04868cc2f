import { ImInfraError } from './im-infra.error.js';

/** The key has another version than the caller expected; nothing was written. */
export class ConfigConflictError extends ImInfraError {
  static readonly code = 'CONFIG_CONFLICT';
  readonly code = ConfigConflictError.code;
  readonly key: string;
  readonly expectedVersion: bigint;
  /** The version found in etcd; `0n` when the key does not exist. */
  readonly actualVersion: bigint;

  constructor(key: string, expectedVersion: bigint, actualVersion: bigint) {
    super(
      `configuration ${key} has version ${actualVersion}, expected ${expectedVersion}: read it again, then write`,
    );
    this.key = key;
    this.expectedVersion = expectedVersion;
    this.actualVersion = actualVersion;
  }
}
