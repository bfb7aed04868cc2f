import type { WaitOptions } from './etcd.options.js';
import type { Generation } from './generation.js';
import { type KeyRange, type KeyValue, type RangeQuery, type RangeResult, weightOf } from './kv.js';
import type { PageSize } from './page-size.js';
import { RpcFailure } from './rpc-failure.js';

/** A list that was overtaken by compaction this often is given up for now: the store is compacted faster than it reads. */
const RESTARTS = 5;

export type ReadOptions = WaitOptions & Required<Pick<WaitOptions, 'timeout'>>;

interface List {
  readonly revision: bigint;
  readonly kvs: readonly KeyValue[];
}

/**
 * Reads a whole range as it was at one revision, in pages. One that is late on a connection that lives is asked for again,
 * smaller; what was read stays read.
 *
 * @throws RpcFailure
 */
export async function listRange(
  generation: Generation,
  range: KeyRange,
  size: PageSize,
  options: ReadOptions,
): Promise<List> {
  for (let restart = 0; ; restart++) {
    try {
      return await listPages(generation, range, size, options);
    } catch (error) {
      if (
        !(error instanceof RpcFailure && error.reason.includes('has been compacted')) ||
        restart >= RESTARTS
      )
        throw error;
    }
  }
}

async function listPages(
  generation: Generation,
  range: KeyRange,
  size: PageSize,
  options: ReadOptions,
): Promise<List> {
  const kvs: KeyValue[] = [];
  let revision: bigint | undefined;
  let key = range.key;
  for (;;) {
    const query = { ...range, key, limit: size.keys, ...(revision !== undefined && { revision }) };
    const page = await readPage(generation, query, size, options);
    if (!page) continue;
    revision ??= page.revision;
    for (const kv of page.kvs) kvs.push(kv);
    if (!page.more || page.kvs.length === 0) return { revision, kvs };
    key = `${page.kvs.at(-1)!.key}\0`;
  }
}

/** `undefined` if it was late, and a smaller one may be asked for on the same connection. */
async function readPage(
  generation: Generation,
  query: RangeQuery,
  size: PageSize,
  { timeout, signal }: ReadOptions,
): Promise<RangeResult | undefined> {
  try {
    const page = await generation.unary((rpc, wire) => rpc.range(query, wire), timeout, signal);
    size.read(page.kvs.length, weightOf(page.kvs));
    return page;
  } catch (error) {
    if (!(error instanceof RpcFailure && error.late)) throw error;
    size.late();
    if (error.doubt) throw error;
    return undefined;
  }
}
