import { inspect } from 'node:util';
import { ImInfraError } from './im-infra.error.js';

/** An argument was refused before anything was sent. The message names it, says what it takes and shows what it got. */
export class ValidationError extends ImInfraError {
  static readonly code = 'VALIDATION';
  readonly code = ValidationError.code;
  /** The argument's path, for example `coord.sessionTtl`. */
  readonly argument: string;

  /** @param value what was given; leave it out for secrets. */
  constructor(argument: string, takes: string, ...value: [value?: unknown]) {
    const got = value.length === 0 ? '' : `, got ${inspect(value[0], { depth: 1, maxStringLength: 80 })}`;
    super(`${argument} takes ${takes}${got}`);
    this.argument = argument;
  }
}
