import { inspect } from 'node:util';
import type { StandardSchemaV1 } from '@standard-schema/spec';

const BRAND = Symbol.for('im-infra:secret');
/** What is shown in place of a secret. */
export const REDACTED = '[secret]';

/**
 * A value that does not show itself: `String()`, `JSON.stringify`, template strings, `util.inspect` and with it every
 * logger print `[secret]`. Only {@link Secret.reveal} gives it away.
 */
export class Secret<T = string> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
    Object.defineProperty(this, BRAND, { value: true });
  }

  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}

/** Whether `value` is a {@link Secret}, of whichever build of this library made it. */
export function isSecret(value: unknown): value is Secret<unknown> {
  return typeof value === 'object' && value !== null && BRAND in value;
}

/**
 * Marks a secret in a schema. Inside a schema it is the transformation of the field, in the words of its library:
 * `z.string().transform(secret)`, `v.pipe(v.string(), v.transform((text) => secret(text)))`,
 * `type('string').pipe((text) => secret(text))`.
 * Around a schema, `secret(z.string())`, it makes the whole value one.
 */
export function secret<T>(schema: StandardSchemaV1<unknown, T>): StandardSchemaV1<unknown, Secret<T>>;
export function secret<T>(value: T): Secret<T>;
export function secret(value: unknown): Secret<unknown> | StandardSchemaV1<unknown, Secret<unknown>> {
  if (!isSchema(value)) return isSecret(value) ? value : new Secret(value);
  const inner = value['~standard'];
  const wrap = (result: StandardSchemaV1.Result<unknown>): StandardSchemaV1.Result<Secret<unknown>> =>
    result.issues ? result : { value: new Secret(result.value) };
  return {
    '~standard': {
      version: 1,
      vendor: inner.vendor,
      validate: (input) => {
        const result = inner.validate(input);
        return isThenable(result) ? Promise.resolve(result).then(wrap) : wrap(result);
      },
    },
  };
}

/** Schemas of some libraries are functions (arktype), of others objects. */
export function isSchema(value: unknown): value is StandardSchemaV1 {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') && '~standard' in value
  );
}

/** Whether `value` has to be waited for. A promise of another realm, or of another library, is one too. */
export function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as Partial<PromiseLike<T>> | null | undefined)?.then === 'function';
}

/** Whether a secret hangs anywhere on `value`. */
export function holdsSecret(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return isSecret(value) || Object.values(value).some(holdsSecret);
}

/** A copy of `value` with the secrets revealed: what may go to etcd, never to a log. */
export function revealAll(value: unknown): unknown {
  if (isSecret(value)) return revealAll(value.reveal());
  if (Array.isArray(value)) return value.map(revealAll);
  if (typeof value !== 'object' || value === null || !holdsSecret(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, revealAll(each)]));
}
