import { ValidationError } from '../../errors/validation.error.js';
import type { ConfigDefinition } from './config.definition.js';

export interface OnConfigChangeOptions<T> {
  /**
   * The part that matters: the method runs when this part is another one. Instances of classes are other ones at each change:
   * select a property of theirs. @default the whole value
   */
  readonly select?: (value: T) => unknown;
}

/** What a decorated method reacts to. */
export interface ChangeReaction {
  readonly definition: ConfigDefinition;
  readonly select: (value: unknown) => unknown;
}

const METADATA = 'im-infra:on-config-change';

/**
 * Calls the method with `(value, previous)` after each change of the configuration, not for the value at the start. One
 * call at a time: changes that come meanwhile are handed over as one, by the newest value. What it throws is logged. A stop of
 * the application waits at most 5 s for a call that still runs.
 *
 * The host must be a singleton: of request-scoped ones there is none to call, and a warning says so.
 * @example @OnConfigChange(dbConfig, { select: (db) => db.pool }) resize(db: Db, previous: Db) {}
 */
export function OnConfigChange<T>(
  definition: ConfigDefinition<T>,
  { select = (value) => value }: OnConfigChangeOptions<T> = {},
): MethodDecorator {
  return (_target, name, descriptor) => {
    const method: unknown = descriptor.value;
    if (typeof method !== 'function') {
      throw new ValidationError('@OnConfigChange', 'a method', String(name));
    }
    const reaction = { definition, select: select as ChangeReaction['select'] };
    Reflect.defineMetadata(METADATA, [...reactionsOf(method), reaction], method);
  };
}

/** What a method was decorated with. Wrappers of other decorators that inherit from the method keep it. */
export function reactionsOf(method: object): readonly ChangeReaction[] {
  return (Reflect.getMetadata(METADATA, method) as readonly ChangeReaction[] | undefined) ?? [];
}
