import { highest } from './highest.js';
import { hashText, mixHashes } from './rendezvous.js';

/**
 * The few of many items that one client talks to: those that score highest for it by rendezvous hashing. Clients draw
 * different ones, so that the servers share the clients evenly, and one server's coming or going moves at most one connection
 * of a client (the idea of gRFC A68).
 */
export class Subset {
  readonly #client: number;

  /** @param client tells this client apart from the others; the same client draws the same items again. */
  constructor(client: string) {
    this.#client = hashText(client);
  }

  /** The score of an item for this client, 0 to 2^32 − 1. */
  score(name: string): number {
    return mixHashes(this.#client, hashText(name));
  }

  /** The `size` items that score highest, the best first; all of them, ranked, if there are no more. */
  draw<T>(items: readonly T[], size: number, identity: (item: T) => string): readonly T[] {
    return highest(
      items.map((item) => ({ item, score: this.score(identity(item)) })),
      size,
      ({ score }) => score,
    ).map(({ item }) => item);
  }
}
