import { ImInfraError } from './im-infra.error.js';

/** One reason why a value was refused: where in the value, and what is wrong there. Never the value itself. */
export interface ConfigIssue {
  readonly path: string;
  readonly message: string;
}

/** The value of a configuration key does not satisfy its schema, or is not what its codec reads. */
export class ConfigInvalidError extends ImInfraError {
  static readonly code = 'CONFIG_INVALID';
  readonly code = ConfigInvalidError.code;
  readonly key: string;
  readonly issues: readonly ConfigIssue[];

  constructor(key: string, issues: readonly ConfigIssue[], options?: ErrorOptions) {
    const list = issues.map(({ path, message }) => `\n  ${path || '(value)'}: ${message}`).join('');
    super(`configuration ${key} is invalid:${list}`, options);
    this.key = key;
    this.issues = issues;
  }
}
