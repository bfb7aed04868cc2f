import { hashText, mixHashes } from './rendezvous.js';

/**
 * The few of many items that one client talks to: those that score highest for it by rendezvous hashing. Clients draw
 * different ones, so that the servers share the clients evenly, and one server's coming or going moves at most one connection
 * of a client (the idea of gRFC A68).
 */
export class Subset {
  readonly #client: number;
  readonly #hashes = new Map<string, number>();

  /** @param client tells this client apart from the others; the same client draws the same items again. */
  constructor(client: string) {
    this.#client = hashText(client);
  }

  /** The `size` items that score highest, the best first; all of them, ranked, if there are no more. */
  draw<T>(items: readonly T[], size: number, identity: (item: T) => string): readonly T[] {
    if (this.#hashes.size > 2 * items.length + 1000) this.#hashes.clear();
    const scored = items.map((item) => ({ item, score: this.#score(identity(item)) }));
    scored.sort((a, b) => b.score - a.score);
    return scored.slice(0, size).map(({ item }) => item);
  }

  #score(name: string): number {
    let score = this.#hashes.get(name);
    if (score === undefined) {
      score = mixHashes(this.#client, hashText(name));
      this.#hashes.set(name, score);
    }
    return score;
  }
}
