import { REDACTED } from './secret.js';

/** What libraries write before the value that they refused: arktype `(was "x")`, valibot `but received "x"`. */
const TELLTALE = /\s*\(was .*$|,?\s*(?:but )?received .*$/s;
const SHORTEST_WORD = 3;

/**
 * An issue's message without the value that it is about. Validation libraries put the refused value into their messages;
 * in a configuration that may be a password.
 */
export function withoutValues(message: string, input: unknown): string {
  let clean = message.replace(TELLTALE, '');
  for (const leaf of leaves(input)) {
    const quoted = JSON.stringify(leaf);
    clean = clean
      .replaceAll(quoted, REDACTED)
      .replaceAll(`'${leaf}'`, REDACTED)
      .replaceAll(`\`${leaf}\``, REDACTED);
    if (leaf.length >= SHORTEST_WORD) clean = clean.replaceAll(leaf, REDACTED);
  }
  return clean;
}

/** The texts and numbers in a value, the longest first: one may be a part of another. */
function leaves(value: unknown): string[] {
  const found = new Set<string>();
  const visit = (each: unknown): void => {
    if (typeof each === 'string' && each !== '') found.add(each);
    else if (typeof each === 'number' || typeof each === 'bigint') found.add(String(each));
    else if (typeof each === 'object' && each !== null) Object.values(each).forEach(visit);
  };
  visit(value);
  return [...found].sort((a, b) => b.length - a.length);
}
