import { errorMessage, failureNote, isError } from './error-record.js';
import { type Fields, readFields } from './line-fields.js';

/** One line to write. */
export interface NestLine {
  readonly message: string;
  readonly fields: Fields;
}

const STACK = /\n\s+at /;

/**
 * Reads a call of Nest's LoggerService: `(message, ...optional)`, where the last string is the context, for errors
 * the string before it the stack; objects and errors among the rest become fields, other values lines of their own,
 * as in Nest's console logger. Never throws.
 */
export function nestLines(isErrorLevel: boolean, message: unknown, optional: readonly unknown[]): NestLine[] {
  const rest = optional.filter((each) => each !== undefined);
  const shared: Fields = {};
  const last = rest.at(-1);
  if (typeof last === 'string' && !(isErrorLevel && STACK.test(last))) {
    rest.pop();
    shared['context'] = last;
  }
  const stack = rest.at(-1);
  if (isErrorLevel && typeof stack === 'string' && STACK.test(stack)) {
    rest.pop();
    if (!isError(message)) shared['err'] = errorOf(stack, message);
  }
  const messages = [message];
  for (const each of rest) {
    if (isError(each)) shared['err'] = each;
    else if (isPlain(each)) Object.assign(shared, readFields(each));
    else messages.push(each);
  }
  return messages.map((each) => line(each, shared));
}

function line(message: unknown, shared: Fields): NestLine {
  // Nest calls a function for its message, and names a class.
  const value = typeof message === 'function' ? evaluate(message) : message;
  if (typeof value === 'string') return { message: value, fields: shared };
  if (isError(value)) return { message: errorMessage(value), fields: { err: value, ...shared } };
  if (isPlain(value)) {
    const own = readFields(value);
    const { msg, message: text, ...fields } = own;
    const said = msg ?? text;
    if (typeof said === 'string') return { message: said, fields: { ...fields, ...shared } };
    return { message: '', fields: { ...own, ...shared } };
  }
  if (typeof value === 'object' && value !== null) return { message: '', fields: { value, ...shared } };
  return { message: textOf(value), fields: shared };
}

function evaluate(message: Function): unknown {
  try {
    if (/^class\s/.test(Function.prototype.toString.call(message))) return message.name;
    return (message as () => unknown)();
  } catch (error) {
    return error;
  }
}

/** Never throws, as a look at a revoked proxy does. */
function isPlain(value: unknown): value is Fields {
  if (typeof value !== 'object' || value === null) return false;
  try {
    const prototype: unknown = Object.getPrototypeOf(value);
    return prototype === Object.prototype || prototype === null;
  } catch {
    return false;
  }
}

function textOf(value: unknown): string {
  try {
    return String(value);
  } catch (failure) {
    return failureNote(failure);
  }
}

/** An error of which only the text is left, as Nest's exception handlers give it. */
function errorOf(stack: string, message: unknown): Fields {
  const type = /^([A-Z]\w*)(?::|\n)/.exec(stack)?.[1] ?? 'Error';
  return { type, message: textOf(message), stack };
}
