import type { Generation } from './generation.js';
import type { KeyRange, KeyValue, OpResult } from './kv.js';
import type { NewestReader } from './newest-reader.js';
import type { ReadOptions } from './range-list.js';
import { RpcFailure } from './rpc-failure.js';
import { decodeRange, encodeRange } from './wire.js';

/**
 * Whether the store still has the history that `entries`, the state of `range` at `revision`, were read from. A store
 * that was wiped, or restored from a backup, has not; its cluster id may well be the same, and its revisions beyond ours.
 *
 * A range that nothing has happened to is recognised by its newest key and its size (then a watch from `revision` on
 * misses nothing, whatever the history); only one that has changed is read again as it was at `revision`.
 *
 * @throws RpcFailure
 */
export async function isSameHistory(
  generation: Generation,
  reader: NewestReader,
  range: KeyRange,
  revision: bigint,
  entries: ReadonlyMap<string, KeyValue>,
  options: ReadOptions,
): Promise<boolean> {
  const now = await reader.newest(range).catch((error: unknown) => {
    if (error instanceof RpcFailure && !error.doubt) return undefined;
    throw error;
  });
  if (now && now.revision >= revision && matches(now, entries)) return true;
  try {
    return matches(await readAt(generation, range, revision, options), entries);
  } catch (error) {
    if (error instanceof RpcFailure && /has been compacted|is a future revision/.test(error.reason))
      return false;
    throw error;
  }
}

/** The newest key now is the newest known, and there are as many: since a deletion makes fewer, nothing has happened. */
function matches({ count, kvs }: OpResult, entries: ReadonlyMap<string, KeyValue>): boolean {
  if (count !== entries.size) return false;
  const [newest] = kvs;
  const known = newest && entries.get(newest.key);
  return (
    !newest || (known?.modRevision === newest.modRevision && known.createRevision === newest.createRevision)
  );
}

async function readAt(
  generation: Generation,
  range: KeyRange,
  revision: bigint,
  { timeout, signal }: ReadOptions,
): Promise<OpResult> {
  const sort = { by: 'mod', order: 'desc' } as const;
  const request = encodeRange({ ...range, revision, limit: 1, keysOnly: true, sort });
  return decodeRange(await generation.unary((rpc, wire) => rpc.kv.range(request, wire), timeout, signal));
}
