/** A 32-bit hash of a text: FNV-1a, then MurmurHash3's finalizer, which spreads names that differ in the last digit. */
export function hashText(text: string, seed = 0): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return mix(hash);
}

/** One hash from two: the order matters. */
export function mixHashes(a: number, b: number): number {
  return mix(Math.imul(a, 0x9e3779b1) ^ b);
}

function mix(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/**
 * Highest random weight: each pair of key and item has a fixed score, the highest wins. When an item goes, only its own keys
 * move; when one comes, it takes only what is its share (D. Thaler, C. Ravishankar, 1998). With weights the score is
 * `weight / -ln(u)`, which gives each item its exact share.
 */
export function rendezvousScore(keyHash: number, itemHash: number, weight = 1): number {
  const uniform = (mixHashes(keyHash, itemHash) + 0.5) / 0x1_0000_0000;
  return weight / -Math.log(uniform);
}

/** Finds the item for a key by {@link rendezvousScore}. */
export class RendezvousChoice<T> {
  readonly #items: readonly { readonly item: T; readonly hash: number; readonly weight: number }[];

  constructor(items: readonly T[], identity: (item: T) => string, weight: (item: T) => number) {
    this.#items = items.map((item) => ({ item, hash: hashText(identity(item)), weight: weight(item) }));
  }

  of(key: string): T | undefined {
    const keyHash = hashText(key);
    let best: T | undefined;
    let bestScore = -1;
    for (const { item, hash, weight } of this.#items) {
      const score = rendezvousScore(keyHash, hash, weight);
      if (score > bestScore) {
        bestScore = score;
        best = item;
      }
    }
    return best;
  }
}
