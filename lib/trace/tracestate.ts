/** The list may have 32 members: more, and the whole header must be dropped. */
const MOST_MEMBERS = 32;

/** Longest header that is looked at, in characters: 32 members of 241 + 1 + 14 + 1 + 256 would be 16 KiB, twice what one should carry. */
const LONGEST = 8192;

/** `key` or `tenant@system`, in the grammar of level 2, which takes all of level 1. */
const KEY = /^(?:[a-z0-9][a-z0-9_*/@-]{0,255})$/;

/** Printable ASCII without `,` and `=`, not ending in a space. */
const VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/**
 * Reads a `tracestate` header, its several lines joined by commas, as W3C Trace Context asks. Gives it back without
 * empty members and white space around members, or `undefined` for one that must be dropped as a whole. Never throws.
 *
 * @see https://www.w3.org/TR/trace-context/#tracestate-header
 */
export function parseTracestate(header: string): string | undefined {
  if (header.length === 0 || header.length > LONGEST) return undefined;
  const seen = new Set<string>();
  const members: string[] = [];
  for (const part of header.split(',')) {
    const member = part.replace(/^[ \t]+|[ \t]+$/g, '');
    if (member === '') continue;
    const equals = member.indexOf('=');
    const key = member.slice(0, Math.max(equals, 0));
    const value = member.slice(equals + 1);
    if (!isKey(key) || !VALUE.test(value)) return undefined;
    // Of two members with one key the newest, the leftmost, is kept.
    if (seen.has(key)) continue;
    seen.add(key);
    members.push(member);
    if (members.length > MOST_MEMBERS) return undefined;
  }
  return members.length === 0 ? undefined : members.join(',');
}

/** At most one `@`: at most 241 characters before it, 1 to 14 that start with a letter after it. */
function isKey(key: string): boolean {
  if (!KEY.test(key)) return false;
  const at = key.indexOf('@');
  if (at < 0) return /^[a-z]/.test(key);
  return at <= 241 && /^[a-z][a-z0-9_*/-]{0,13}$/.test(key.slice(at + 1));
}
