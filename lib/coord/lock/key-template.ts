import { ValidationError } from '../../errors/validation.error.js';
import { checkLockKeys } from './lock-key.js';

const TAKES =
  "a key whose placeholders name an argument by its index and then its properties, such as 'order:{0.id}'";

type Part = string | readonly [index: number, ...path: string[]];

/**
 * Reads a template once, when the method is decorated, and returns the function that makes the key of a call's
 * arguments. A part that is missing, empty or an object is refused at the call: `order:undefined` would lock all orders.
 *
 * @throws ValidationError for a template that cannot be read, or that names an argument which `count` arguments lack
 */
export function keyTemplate(
  template: string,
  count: number | undefined,
): (args: readonly unknown[]) => string {
  const parts = parse(template);
  for (const part of parts) {
    if (typeof part !== 'string' && count !== undefined && part[0] >= count) {
      throw new ValidationError('key', `${TAKES}; the method has ${count} argument(s)`, template);
    }
  }
  return (args) =>
    parts.map((part) => (typeof part === 'string' ? part : keyPart(template, part, args))).join('');
}

function parse(template: string): readonly Part[] {
  const pieces = template.split(/\{([^{}]*)\}/);
  return pieces.map((piece, index): Part => {
    const placeholder = index % 2 === 1;
    if (!placeholder && !/[{}]/.test(piece)) return piece;
    if (placeholder && /^\d+(\.[\p{ID_Start}$_][\p{ID_Continue}$]*|\.\d+)*$/u.test(piece)) {
      const [first, ...path] = piece.split('.');
      return [Number(first), ...path];
    }
    throw new ValidationError('key', TAKES, template);
  });
}

function keyPart(
  template: string,
  [index, ...path]: readonly [number, ...string[]],
  args: readonly unknown[],
) {
  let value: unknown = args[index];
  for (const name of path) value = (value as Record<string, unknown> | null | undefined)?.[name];
  const simple = typeof value === 'string' || typeof value === 'bigint' || Number.isFinite(value);
  if (simple && value !== '') return String(value);
  throw new ValidationError(
    `{${[index, ...path].join('.')}} of the lock key '${template}'`,
    'a string that is not empty, or a number',
    value,
  );
}

/** What a value that is missing, or cannot be read, becomes inside a string; `order-undefined` would lock all orders. */
const UNREADABLE = /\[object |(?<![\p{L}\p{N}])(undefined|null|NaN)(?![\p{L}\p{N}])/u;
/** What an empty value leaves of `order:${id}`. */
const EMPTY_PART = /^:|::|:$/;

/** Checks what a key function made: the usual rules, and no part that a missing or unreadable value leaves behind. */
export function checkComputedKey(made: unknown): readonly string[] {
  const keys = checkLockKeys('the key made for @WithLock', made);
  for (const key of keys) {
    if (UNREADABLE.test(key) || EMPTY_PART.test(key)) {
      throw new ValidationError(
        'the key made for @WithLock',
        'a key without a part that is empty, undefined, null, NaN or an object',
        key,
      );
    }
  }
  return keys;
}
