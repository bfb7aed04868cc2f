/** Stands before a number that JavaScript cannot keep as it is written: 12345678901234567890, 1.0. */
const EXACT = '\ue000';
const NUMBER = '-?\\d+(?:\\.\\d+)?(?:[eE][+-]?\\d+)?';
const TOKEN = new RegExp(`"(?:[^"\\\\]|\\\\.)*"|${NUMBER}`, 'g');
const MARKED = new RegExp(`"${EXACT}(${NUMBER})"`, 'g');

/**
 * JSON whose numbers stay as they are written: what is only carried from a file to etcd and back must not change on the way.
 * A number that would is a marked text in the value. @throws SyntaxError
 */
export function parseExact(text: string): unknown {
  // As it is first: what is no JSON must not become one by the marks.
  const value = JSON.parse(text) as unknown;
  let exact = false;
  const marked = text.replace(TOKEN, (token) => {
    if (token.startsWith('"') || String(Number(token)) === token) return token;
    exact = true;
    return `"${EXACT}${token}"`;
  });
  return exact ? (JSON.parse(marked) as unknown) : value;
}

/** The JSON of what {@link parseExact} gave. */
export function stringifyExact(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, null, indent) as string | undefined;
  // JSON has no undefined: what is shown of nothing is nothing.
  return text?.replace(MARKED, '$1') ?? '';
}
