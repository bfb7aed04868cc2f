/**
 * What a line shows of an error, in its order: `type`, `message`, `stack`, own fields (`code`, `key`, …), `cause` and
 * `aggregateErrors`. Throwing getters and odd subclasses do no harm; what the values hold is the caller's matter.
 */
export function errorFields(error: Error): Record<string, unknown> {
  const fields: Record<string, unknown> = {
    type: typeOf(error),
    message: errorMessage(error),
    stack: text(error, 'stack'),
  };
  for (const key of Object.keys(error)) {
    if (key in fields || key === 'cause' || key === 'errors' || key === 'name') continue;
    const value = property(error, key);
    if (value !== undefined && typeof value !== 'function') fields[key] = value;
  }
  const cause = property(error, 'cause');
  if (cause !== undefined) fields['cause'] = cause;
  const errors = property(error, 'errors');
  if (Array.isArray(errors)) fields['aggregateErrors'] = errors;
  return fields;
}

/** Errors of this realm and of others (`vm`, jest). Never throws, as `instanceof` does for a revoked proxy. */
export function isError(value: unknown): value is Error {
  try {
    return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';
  } catch {
    return false;
  }
}

/** The message of an error, empty where it is no text. */
export function errorMessage(error: Error): string {
  return text(error, 'message');
}

/** What stands in a line for a value that threw when it was read. */
export function failureNote(failure: unknown): string {
  try {
    if (isError(failure) && typeof failure.name === 'string') return `[threw ${failure.name}]`;
  } catch {
    // What was thrown throws in its turn.
  }
  return '[threw a value]';
}

function typeOf(error: Error): string {
  const constructed = property(error, 'constructor');
  const name = typeof constructed === 'function' ? text(constructed, 'name') : '';
  // A plain Error that was given a name says more by that name.
  return name === '' || name === 'Error' ? text(error, 'name') || 'Error' : name;
}

function text(object: object, key: string): string {
  const value = property(object, key);
  return typeof value === 'string' ? value : '';
}

function property(object: object, key: string): unknown {
  try {
    return (object as Record<string, unknown>)[key];
  } catch (failure) {
    return failureNote(failure);
  }
}
