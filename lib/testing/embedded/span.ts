/**
 * Keys `from` (included) to `to` (not included), ordered by byte; without `to`, to the last key. Keys are strings of one
 * character a byte (latin1), so that JavaScript's string order is etcd's byte order. One key `k` is the span `k` to `k\0`.
 */
export interface Span {
  readonly from: string;
  readonly to: string | undefined;
}

export const keyText = (key: Buffer): string => key.toString('latin1');
export const keyBytes = (key: string): Buffer => Buffer.from(key, 'latin1');

/** A request's `key` and `range_end`: none means the one key, a zero byte means to the last key. */
export function spanOf(key: Buffer, rangeEnd: Buffer): Span {
  const from = keyText(key);
  if (rangeEnd.length === 0) return { from, to: `${from}\0` };
  return { from, to: rangeEnd.length === 1 && rangeEnd[0] === 0 ? undefined : keyText(rangeEnd) };
}

export function spanHas(span: Span, key: string): boolean {
  return key >= span.from && (span.to === undefined || key < span.to);
}
