import type { CallOptions } from './etcd.options.js';
import type { Generation } from './generation.js';
import type { KeyRange, KeyValue } from './kv.js';
import { RpcFailure } from './rpc-failure.js';
import { decodeRange, encodeRange } from './wire.js';

const FIRST_PAGE = 1_000;
const PAGE_BYTES = 4 * 1024 * 1024;
/** A list that was overtaken by compaction this often is given up for now: the store is compacted faster than it reads. */
const RESTARTS = 5;

export type ReadOptions = Required<Pick<CallOptions, 'timeout'>> & Pick<CallOptions, 'signal'>;

/**
 * Reads a whole range as it was at one revision, in pages: a page of 1,000 keys first, then as many as make about 4 MiB,
 * so that neither large values nor many keys make one answer that blocks etcd or this process.
 *
 * @throws RpcFailure
 */
export async function listRange(
  generation: Generation,
  range: KeyRange,
  pageSize: number | undefined,
  options: ReadOptions,
): Promise<{ readonly revision: bigint; readonly kvs: readonly KeyValue[] }> {
  for (let restart = 0; ; restart++) {
    try {
      return await listPages(generation, range, pageSize, options);
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
  pageSize: number | undefined,
  options: ReadOptions,
): Promise<{ readonly revision: bigint; readonly kvs: readonly KeyValue[] }> {
  const kvs: KeyValue[] = [];
  let bytes = 0;
  let revision: bigint | undefined;
  let key = range.key;
  for (;;) {
    const limit = pageSize ?? (kvs.length === 0 ? FIRST_PAGE : pageOf(bytes / kvs.length));
    const query = { ...range, key, limit, ...(revision !== undefined && { revision }) };
    const request = encodeRange(query);
    const { timeout, signal } = options;
    const page = decodeRange(
      await generation.unary((rpc, wire) => rpc.kv.range(request, wire), timeout, signal),
    );
    revision ??= page.revision;
    for (const kv of page.kvs) {
      kvs.push(kv);
      bytes += kv.key.length + kv.value.length;
    }
    if (!page.more || page.kvs.length === 0) return { revision, kvs };
    key = `${page.kvs.at(-1)!.key}\0`;
  }
}

function pageOf(averageBytes: number): number {
  return Math.max(10, Math.min(10_000, Math.floor(PAGE_BYTES / (averageBytes + 64))));
}
