import { type KeyVersion } from './key-index.js';
import { type WireCompare } from './messages.js';
import { type MvccStore } from './mvcc-store.js';
import { spanOf } from './span.js';

const VALUE = 3;
const NO_BYTES = Buffer.alloc(0);

/** Whether a comparison holds now. One over a range must hold for each of its keys; a missing key is all zeros. */
export function holds(store: MvccStore, compare: WireCompare): boolean {
  const versions = store.read(spanOf(compare.key, compare.rangeEnd));
  if (versions.length > 0)
    return versions.every((version) => decide(compare.result, differ(compare, version)));
  // A missing key has no value: no comparison with one holds, not even "not equal".
  return compare.target !== VALUE && decide(compare.result, differ(compare, undefined));
}

/** Below, at or above 0: how what the store has stands to what the comparison gives. */
function differ(compare: WireCompare, version: KeyVersion | undefined): number {
  switch (compare.target) {
    case 0:
      return order(BigInt(version?.version ?? 0), BigInt(compare.version ?? 0));
    case 1:
      return order(BigInt(version?.created ?? 0), BigInt(compare.createRevision ?? 0));
    case 2:
      return order(BigInt(version?.revision ?? 0), BigInt(compare.modRevision ?? 0));
    case VALUE:
      return Buffer.compare(version?.value ?? NO_BYTES, compare.value ?? NO_BYTES);
    case 4:
      return order(version?.lease ?? 0n, BigInt(compare.lease ?? 0));
    default:
      return 0;
  }
}

function order(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function decide(result: number, difference: number): boolean {
  switch (result) {
    case 0:
      return difference === 0;
    case 1:
      return difference > 0;
    case 2:
      return difference < 0;
    case 3:
      return difference !== 0;
    default:
      return true;
  }
}
