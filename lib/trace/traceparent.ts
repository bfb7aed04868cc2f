import { isW3cSpanId, isW3cTraceId } from './trace-id.js';

/** What a `traceparent` header says. */
export interface Traceparent {
  readonly traceId: string;
  /** The caller's span. */
  readonly parentId: string;
  /** The trace flags this library passes on: bit 0 sampled, bit 1 random trace id. */
  readonly flags: number;
}

/** The flags that are defined; unknown ones must be sent as zero. */
const KNOWN_FLAGS = 0b11;

/** Longest header that is looked at: version 00 has 55 characters, a future version may add fields. */
const LONGEST = 512;

/**
 * Reads a `traceparent` header as W3C Trace Context asks, or gives `undefined` for one that must be ignored. Versions
 * above 00 are read by the fields they share with 00. Never throws.
 *
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export function parseTraceparent(header: string): Traceparent | undefined {
  if (header.length < 55 || header.length > LONGEST) return undefined;
  const text = trimOws(header);
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:$|(-))/.exec(text);
  if (match === null) return undefined;
  const [, version, traceId = '', parentId = '', flags = '', more] = match;
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (!isW3cTraceId(traceId) || !isW3cSpanId(parentId)) return undefined;
  return { traceId, parentId, flags: Number.parseInt(flags, 16) & KNOWN_FLAGS };
}

/** Writes version 00. */
export function formatTraceparent(traceId: string, spanId: string, flags: number): string {
  return `00-${traceId}-${spanId}-0${flags & KNOWN_FLAGS}`;
}

/** Takes optional white space, as HTTP defines it, from both ends: spaces and tabs, never line breaks. */
function trimOws(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, '');
}
