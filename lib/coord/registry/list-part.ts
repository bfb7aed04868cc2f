import type { Change, MirrorChange } from '../etcd/mirror.js';

/** So many records are fetched, and read, without a pause: 1 to 2 ms. A revision of a watch has at most 128, by etcd's default. */
export const PART_SIZE = 250;

/** A part of what etcd said at one revision. */
export interface ListPart extends MirrorChange {
  /** No other part of it follows. */
  readonly last: boolean;
}

/**
 * Cuts a long list into parts, so that ten thousand records are not read in one turn of the event loop. What has gone is
 * one part, the last one: a guard against losing everything at once must see the loss at once, and after what there is.
 */
export function partsOf(change: MirrorChange): readonly ListPart[] {
  const { changes, revision, cause } = change;
  if (changes.length <= PART_SIZE) return [{ ...change, last: true }];
  const there = changes.filter(({ current }) => current !== undefined);
  const gone = changes.filter(({ current }) => current === undefined);
  const parts: (readonly Change[])[] = [];
  for (let start = 0; start < there.length; start += PART_SIZE) {
    parts.push(there.slice(start, start + PART_SIZE));
  }
  if (gone.length > 0) parts.push(gone);
  return parts.map((part, index) => ({
    changes: part,
    revision,
    cause,
    last: index === parts.length - 1,
  }));
}
