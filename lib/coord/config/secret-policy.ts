import { ValidationError } from '../../errors/validation.error.js';
import { isSecret, REDACTED } from './secret.js';

/** A whole key, such as `/config/prod/orders/db-password`, by a text in which `*` stands for anything, or by a RegExp. */
export type SecretPattern = string | RegExp;

/** Names that hold secrets wherever they stand: as a segment of a key or a property of a value. */
const TELLING =
  /(?:^|[._-]|[a-z](?=[A-Z]))(?:password|passwd|passphrase|secrets?|tokens?|credentials?|private[_-]?key|api[_-]?key|access[_-]?key)$/i;

/**
 * What must not be shown. A value is a secret when its schema made it one, when its key matches a pattern of the options,
 * or when a segment of its key or the property it stands under is called like one (`password`, `apiKey`, …).
 */
export class SecretPolicy {
  readonly #patterns: readonly RegExp[];

  constructor(patterns: readonly SecretPattern[] = []) {
    this.#patterns = patterns.map(toRegExp);
  }

  /** Whether all of the key's value is a secret. */
  isSecretKey(key: string): boolean {
    return (
      this.#patterns.some((pattern) => pattern.test(key)) || key.split('/').some((name) => TELLING.test(name))
    );
  }

  /** Whether anything in the key's value is a secret. */
  holdsSecret(key: string, value: unknown): boolean {
    return this.isSecretKey(key) || hasTelling(value);
  }

  /** A copy of the key's value for people to see. */
  redact(key: string, value: unknown): unknown {
    if (value === undefined) return undefined;
    return this.isSecretKey(key) ? REDACTED : redactProperties(value);
  }

  /** The part of a raw layer at `path`, redacted also where `validated`, the value its schema made, has a secret. */
  redactAt(key: string, path: string, part: unknown, validated: unknown): unknown {
    if (part === undefined) return undefined;
    const segments = path === '' ? [] : path.split('.');
    if (this.isSecretKey(key) || segments.some((segment) => TELLING.test(segment))) return REDACTED;
    let made: unknown = validated;
    for (const segment of segments) {
      if (isSecret(made)) return REDACTED;
      made =
        typeof made === 'object' && made !== null ? (made as Record<string, unknown>)[segment] : undefined;
    }
    return redactLike(part, made);
  }
}

function hasTelling(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return (
    isSecret(value) || Object.entries(value).some(([name, each]) => TELLING.test(name) || hasTelling(each))
  );
}

function redactProperties(value: unknown): unknown {
  if (isSecret(value)) return REDACTED;
  if (Array.isArray(value)) return value.map(redactProperties);
  if (typeof value !== 'object' || value === null || !hasTelling(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      TELLING.test(name) && each !== null ? REDACTED : redactProperties(each),
    ]),
  );
}

function redactLike(part: unknown, made: unknown): unknown {
  if (isSecret(made)) return REDACTED;
  if (typeof part !== 'object' || part === null) return part;
  const model = (typeof made === 'object' && made !== null ? made : {}) as Record<string, unknown>;
  if (Array.isArray(part)) return part.map((each, at) => redactLike(each, model[at]));
  return redactProperties(
    Object.fromEntries(Object.entries(part).map(([name, each]) => [name, redactLike(each, model[name])])),
  );
}

function toRegExp(pattern: unknown, at: number): RegExp {
  if (pattern instanceof RegExp) return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
  if (typeof pattern === 'string' && pattern !== '') {
    const escaped = pattern.split('*').map((text) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${escaped.join('.*')}$`);
  }
  throw new ValidationError(
    `config.secrets[${at}]`,
    "a key, in which '*' stands for anything, or a RegExp",
    pattern,
  );
}
