/** How deep causes and fields of errors are followed. */
const DEEPEST = 8;

/** An error as it stands in a line. */
export interface ErrorRecord {
  readonly type: string;
  readonly message: string;
  readonly stack: string;
  readonly [field: string]: unknown;
}

/**
 * Turns an error into its record: `type`, `message`, `stack`, its own fields (`code`, `key`, …), `cause` all the way
 * down and `aggregateErrors`. Cycles end, throwing getters and odd subclasses do no harm. Other values pass unchanged.
 *
 * @param tame what own fields are passed through before they are kept.
 */
export function errorRecord(
  error: unknown,
  tame: (value: unknown) => unknown,
  seen = new Set<unknown>(),
): unknown {
  if (!isError(error)) return error;
  if (seen.has(error)) return `[circular ${read(error, 'name')}]`;
  if (seen.size >= DEEPEST) return `[${read(error, 'name')} and more]`;
  seen.add(error);
  const record: Record<string, unknown> = {
    type: typeOf(error),
    message: read(error, 'message'),
    stack: read(error, 'stack'),
  };
  for (const key of Object.keys(error)) {
    if (key in record || key === 'cause' || key === 'errors' || key === 'name') continue;
    const value = property(error, key);
    if (value !== undefined && typeof value !== 'function')
      record[key] = isError(value) ? errorRecord(value, tame, seen) : tame(value);
  }
  const cause = property(error, 'cause');
  if (cause !== undefined) record['cause'] = isError(cause) ? errorRecord(cause, tame, seen) : tame(cause);
  const errors = property(error, 'errors');
  if (Array.isArray(errors)) {
    record['aggregateErrors'] = errors.map((each: unknown) =>
      isError(each) ? errorRecord(each, tame, new Set(seen)) : tame(each),
    );
  }
  seen.delete(error);
  return record;
}

/** Errors of this realm and of others (`vm`, jest). */
export function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';
}

function typeOf(error: Error): string {
  const constructed: unknown = property(error, 'constructor');
  const name = typeof constructed === 'function' ? constructed.name : '';
  // A plain Error that was given a name says more by that name.
  return name === '' || name === 'Error' ? read(error, 'name') || 'Error' : name;
}

function read(error: Error, key: 'name' | 'message' | 'stack'): string {
  const value = property(error, key);
  return typeof value === 'string' ? value : '';
}

function property(object: object, key: string): unknown {
  try {
    return (object as Record<string, unknown>)[key];
  } catch (failure) {
    return `[threw ${failure instanceof Error ? failure.name : 'a value'}]`;
  }
}
