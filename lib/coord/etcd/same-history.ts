import type { BatchedReader } from './batched-reader.js';
import type { Generation } from './generation.js';
import {
  isSameKeyValue,
  type KeyRange,
  type KeyValue,
  type OpResult,
  type RangeQuery,
  weightOf,
} from './kv.js';
import type { ReadOptions } from './range-list.js';
import { RpcFailure } from './rpc-failure.js';

type Entries = ReadonlyMap<string, KeyValue>;

/** Up to so many keys and bytes a range is compared as a whole; of a larger one its size and its newest key are. */
const WHOLE_KEYS = 256;
const WHOLE_BYTES = 256 * 1024;

/**
 * Whether the store still has the history that `entries`, the state of `range` at `revision`, were read from. A store
 * that was wiped, or restored from a backup, has not; its cluster id may well be the same, its revisions beyond ours, and
 * its keys the same, when the script that fills it ran again: so values and leases are compared too.
 *
 * A range that nothing has happened to is recognised as it is now (then a watch from `revision` on misses nothing,
 * whatever the history); only one that has changed is read again as it was at `revision`. Of a range of more than
 * {@link WHOLE_KEYS} keys, another history is not recognised if it has made as many keys, and the newest in the same
 * revision, with the same value.
 *
 * @throws RpcFailure
 */
export async function isSameHistory(
  generation: Generation,
  reader: BatchedReader,
  range: KeyRange,
  revision: bigint,
  entries: Entries,
  options: ReadOptions,
): Promise<boolean> {
  const { query, bytes } = excerptOf(range, entries);
  const now = await reader.read(query, bytes).catch((error: unknown) => {
    if (error instanceof RpcFailure && !error.doubt) return undefined;
    throw error;
  });
  if (now && now.revision >= revision && matches(now, entries)) return true;
  try {
    const { timeout, signal } = options;
    const then = { ...query, revision };
    return matches(await generation.unary((rpc, wire) => rpc.range(then, wire), timeout, signal), entries);
  } catch (error) {
    if (error instanceof RpcFailure && /has been compacted|is a future revision/.test(error.reason))
      return false;
    throw error;
  }
}

/** What of the range is compared, and how large it is as we know it. */
function excerptOf(range: KeyRange, entries: Entries): { query: RangeQuery; bytes: number } {
  const bytes = entries.size > WHOLE_KEYS ? Infinity : weightOf(entries.values());
  if (bytes <= WHOLE_BYTES) return { query: { ...range, limit: Math.max(1, entries.size) }, bytes };
  const sort = { by: 'mod', order: 'desc' } as const;
  return { query: { ...range, limit: 1, sort }, bytes: WHOLE_BYTES };
}

/** Every key that was found is known as it is, and there are as many: since a deletion makes fewer, nothing has happened. */
function matches({ count, kvs }: OpResult, entries: Entries): boolean {
  if (count !== entries.size) return false;
  return kvs.every((kv) => {
    const known = entries.get(kv.key);
    return known !== undefined && isSameKeyValue(known, kv);
  });
}
