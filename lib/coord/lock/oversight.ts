import type { Clock } from '../etcd/clock.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { Place } from './place.js';

/** How often places are looked at, in ms. */
const ROUND = 250;
/** So many places are watched; a process that holds more has the rest read in turn. A watch costs etcd and us some KiB. */
const MOST_WATCHED = 256;
/** Keys read in one round: one call of 100 reads, 40 µs each in etcd. */
const READ_A_ROUND = 100;

export interface OversightDeps {
  readonly client: EtcdClient;
  readonly clock: Clock;
  /** Watches the keys of the place from now on. */
  readonly watch: (place: Place) => void;
  /** The key is gone, although its session lives: somebody deleted it. */
  readonly deleted: (place: Place) => void;
}

/**
 * Looks after places that are held for long: their keys can be deleted by somebody (a lock broken by an operator) while
 * the session lives. Most locks are released before anybody looks; those cost nothing.
 */
export class Oversight {
  readonly #deps: OversightDeps;
  /** In the order of admission, so that a round ends at the first that is too young. */
  readonly #young = new Map<Place, number>();
  readonly #watched = new Set<Place>();
  readonly #rest = new Set<Place>();
  #cancelRound: (() => void) | undefined;
  /** The last keys asked for are not read yet. */
  #reading = false;

  constructor(deps: OversightDeps) {
    this.#deps = deps;
  }

  add(place: Place): void {
    this.#young.set(place, this.#deps.clock.now());
    this.#cancelRound ??= this.#deps.clock.after(ROUND, () => this.#round());
  }

  remove(place: Place): void {
    if (!this.#young.delete(place) && !this.#watched.delete(place)) this.#rest.delete(place);
  }

  close(): void {
    this.#cancelRound?.();
    for (const places of [this.#young, this.#watched, this.#rest]) places.clear();
  }

  #round(): void {
    this.#cancelRound = undefined;
    const now = this.#deps.clock.now();
    for (const [place, since] of this.#young) {
      if (now - since < Math.min(1_000, place.session.ttl / 3)) break;
      this.#young.delete(place);
      if (this.#watched.size < MOST_WATCHED) {
        this.#watched.add(place);
        this.#deps.watch(place);
      } else this.#rest.add(place);
    }
    if (this.#rest.size > 0 && !this.#reading) void this.#readSome();
    if (this.#young.size + this.#rest.size > 0)
      this.#cancelRound = this.#deps.clock.after(ROUND, () => this.#round());
  }

  async #readSome(): Promise<void> {
    const places: Place[] = [];
    let keys = 0;
    for (const place of this.#rest) {
      keys += place.keys.length;
      if (keys > READ_A_ROUND) break;
      places.push(place);
      // To the end of the line.
      this.#rest.delete(place);
      this.#rest.add(place);
      if (places.length === this.#rest.size) break;
    }
    const success = places.flatMap((place) =>
      place.keys.map((key) => ({ range: { key, keysOnly: true } }) as const),
    );
    this.#reading = true;
    try {
      const { results } = await this.#deps.client.commit({ success }, { idempotent: true });
      let index = 0;
      for (const place of places) {
        const found = results.slice(index, (index += place.keys.length));
        if (found.some(({ kvs }) => kvs[0]?.createRevision !== place.revision)) this.#deps.deleted(place);
      }
    } catch {
      // etcd is away: the session's own clock decides, and the next round reads again.
    } finally {
      this.#reading = false;
    }
  }
}
