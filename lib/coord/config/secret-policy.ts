import { ValidationError } from '../../errors/validation.error.js';
import { isSecret, REDACTED } from './secret.js';
import { hasPaths, joinPaths, pathsAt, redactPaths, type SecretPaths, secretPaths } from './secret-paths.js';

/** A whole key, such as `/config/prod/orders/db-password`, by a text in which `*` stands for anything, or by a RegExp. */
export type SecretPattern = string | RegExp;

/** Names that hold secrets wherever they stand: as a segment of a key or a property of a value. */
const TELLING =
  /(?:^|[._-]|[a-z](?=[A-Z]))(?:password|passwd|passphrase|secrets?|tokens?|credentials?|private[_-]?key|api[_-]?key|access[_-]?key)$/i;

/**
 * What must not be shown. A value is a secret when the schema of a view on its key makes it one, when its key matches a
 * pattern of the options, or when a segment of its key or the property it stands under is called like one (`password`,
 * `apiKey`, …).
 */
export class SecretPolicy {
  readonly #patterns: readonly RegExp[];
  readonly #learned = new Map<string, SecretPaths>();
  #onLearned: () => void = () => undefined;

  constructor(patterns: readonly SecretPattern[] = []) {
    this.#patterns = patterns.map(toRegExp);
  }

  /** Calls `listener` whenever more is known of what is a secret. */
  onLearned(listener: () => void): void {
    this.#onLearned = listener;
  }

  /** A schema made `value` of what the keys have together, `input`: where it made secrets, the keys have some. */
  learn(keys: readonly string[], value: unknown, input: unknown): void {
    const paths = secretPaths(value, input);
    if (!paths) return;
    const news = keys.filter((key) => !hasPaths(this.#learned.get(key), paths));
    for (const key of news) this.#learned.set(key, joinPaths(this.#learned.get(key), paths));
    if (news.length > 0) this.#onLearned();
  }

  /** Whether all of the key's value is a secret. */
  isSecretKey(key: string): boolean {
    return (
      this.#patterns.some((pattern) => pattern.test(key)) ||
      key.split('/').some((name) => TELLING.test(name)) ||
      this.#learned.get(key)?.secret === true
    );
  }

  /** Whether the key is known to hold a secret, without a look at its value: see {@link hasTelling} for that. */
  isKnownToHold(key: string): boolean {
    return this.#learned.has(key) || this.isSecretKey(key);
  }

  /** What the keys have together, or the part of it at `path`, for people to see. */
  redact(keys: readonly string[], value: unknown, path = ''): unknown {
    if (value === undefined) return undefined;
    const segments = path === '' ? [] : path.split('.');
    if (keys.some((key) => this.isSecretKey(key)) || segments.some((segment) => TELLING.test(segment))) {
      return REDACTED;
    }
    return redactProperties(
      keys.reduce<unknown>(
        (shown, key) => redactPaths(shown, pathsAt(this.#learned.get(key), segments)),
        value,
      ),
    );
  }
}

/**
 * Whether a property of the value is called like a secret, or is one. A value that is in itself, and so has no end, is
 * taken for one that has.
 *
 * @param above what the value stands in
 */
export function hasTelling(value: unknown, above: readonly object[] = []): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (above.includes(value)) return true;
  const chain = [...above, value];
  return (
    isSecret(value) ||
    Object.entries(value).some(([name, each]) => TELLING.test(name) || hasTelling(each, chain))
  );
}

function redactProperties(value: unknown, above: readonly object[] = []): unknown {
  if (isSecret(value)) return REDACTED;
  if (typeof value !== 'object' || value === null || !hasTelling(value)) return value;
  if (above.includes(value)) return '[circular]';
  const chain = [...above, value];
  if (Array.isArray(value)) return value.map((each) => redactProperties(each, chain));
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      TELLING.test(name) && each !== null ? REDACTED : redactProperties(each, chain),
    ]),
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
