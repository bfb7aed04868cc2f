import { type SeededRandom } from '../../../../lib/testing/index.js';

/** Twelve: etcd sorts up to twelve keys by insertion, which keeps equal ones in order; above, their order is chance. */
const KEYS = ['a', 'a\0', 'a/', 'a/b', 'a/c', 'b', 'c', 'd', 'p\xff', 'p\xff\xff', 'z', '\xff'];
const VALUES = ['', '0', '1', 'two', '\0', '\xff\xfe'];
export const LEASES = ['1', '2', '3', '9223372036854775807'];

const WATCHED_SPANS = [
  { key: '\0', rangeEnd: '\0' },
  { key: 'a/', rangeEnd: 'a0' },
  { key: 'c', rangeEnd: '\0' },
  { key: 'c', rangeEnd: 'c' },
  { key: 'p', rangeEnd: 'c' },
];

export type Operation =
  | { readonly kind: 'range' | 'put' | 'delete' | 'txn'; readonly request: object }
  | { readonly kind: 'compact'; readonly revision: string }
  | { readonly kind: 'grant'; readonly id: string; readonly ttl: number }
  | { readonly kind: 'revoke' | 'timeToLive' | 'keepAlive'; readonly id: string }
  | { readonly kind: 'leases' }
  | { readonly kind: 'watch'; readonly stream: number; readonly request: object }
  | { readonly kind: 'cancel'; readonly stream: number; readonly watchId: string }
  | { readonly kind: 'progress'; readonly stream: number };

export const STREAMS = 3;

/** What a generator must know of the store to hit its edges. */
export interface StorePosition {
  readonly revision: number;
  readonly compacted: number;
}

/** Random requests over few keys, so that they meet; valid ones mostly, and every kind of invalid one. */
export class Operations {
  /**
   * etcd (3.4 at least) does not see that a delete to the last key takes a key from a later put of the same transaction.
   * If that put asks to keep the value or the lease, the server panics. So a transaction here has the one or the other.
   */
  #keeps = true;

  constructor(private readonly random: SeededRandom) {}

  next(position: StorePosition): Operation {
    const { random } = this;
    const dice = random.integer(1, 100);
    if (dice <= 30) return { kind: 'put', request: this.#put() };
    if (dice <= 50) {
      this.#keeps = random.chance(0.5);
      const txn = this.#txn(position, 2);
      this.#keeps = true;
      return { kind: 'txn', request: txn };
    }
    if (dice <= 67) return { kind: 'range', request: this.#range(position) };
    if (dice <= 75) return { kind: 'delete', request: this.#delete() };
    if (dice <= 79)
      return { kind: 'grant', id: random.pick(LEASES), ttl: random.pick([600, 900, 9_000_000_001]) };
    if (dice <= 81) return { kind: 'revoke', id: random.pick(LEASES) };
    if (dice <= 83) return { kind: 'timeToLive', id: random.pick(LEASES) };
    if (dice <= 85) return { kind: 'keepAlive', id: random.pick(LEASES) };
    if (dice <= 86) return { kind: 'leases' };
    if (dice <= 88) return { kind: 'compact', revision: this.#compactRevision(position) };
    const stream = random.integer(0, STREAMS - 1);
    if (dice <= 95) return { kind: 'watch', stream, request: this.#watch(position) };
    if (dice <= 98) return { kind: 'cancel', stream, watchId: String(random.integer(0, 12)) };
    return { kind: 'progress', stream };
  }

  #key(): string {
    return this.random.chance(0.01) ? '' : this.random.pick(KEYS);
  }

  /** None, a prefix, to the last key, up to another key: also one before it, which is an empty range. */
  #span(): { key: string; rangeEnd?: string } {
    const key = this.#key();
    const dice = this.random.integer(1, 10);
    if (dice <= 4) return { key };
    if (dice <= 6) return { key: '\0', rangeEnd: '\0' };
    if (dice <= 7) return { key, rangeEnd: '\0' };
    return { key, rangeEnd: this.random.pick(KEYS) };
  }

  #put(): object {
    const { random } = this;
    const ignoreValue = this.#keeps && random.chance(0.08);
    const ignoreLease = this.#keeps && random.chance(0.08);
    return {
      key: this.#key(),
      value: ignoreValue && random.chance(0.9) ? '' : random.pick(VALUES),
      lease: ignoreLease && random.chance(0.9) ? '0' : random.chance(0.35) ? random.pick(LEASES) : '0',
      prevKv: random.chance(0.5),
      ignoreValue,
      ignoreLease,
    };
  }

  #delete(toTheLastKey = true): object {
    const { rangeEnd, ...key } = this.random.chance(0.6)
      ? { key: this.#key(), rangeEnd: undefined }
      : this.#span();
    const end = rangeEnd === '\0' && !toTheLastKey ? 'b' : rangeEnd;
    return { ...key, ...(end !== undefined && { rangeEnd: end }), prevKv: this.random.chance(0.5) };
  }

  #range(position: StorePosition): object {
    const { random } = this;
    const some = (probability: number): string =>
      random.chance(probability) ? String(random.integer(1, position.revision + 1)) : '0';
    return {
      ...this.#span(),
      limit: random.chance(0.4) ? String(random.integer(1, 6)) : '0',
      revision: random.chance(0.35) ? this.#revision(position) : '0',
      sortOrder: random.integer(0, 2),
      sortTarget: random.integer(0, 4),
      keysOnly: random.chance(0.2),
      countOnly: random.chance(0.1),
      serializable: random.chance(0.3),
      minModRevision: some(0.1),
      maxModRevision: some(0.1),
      minCreateRevision: some(0.1),
      maxCreateRevision: some(0.1),
    };
  }

  /** Around what is there: below zero, compacted, the last compacted, in the past, the newest, in the future. */
  #revision({ revision, compacted }: StorePosition): string {
    const { random } = this;
    const choices = [
      -1,
      1,
      compacted - 1,
      compacted,
      random.integer(Math.max(compacted, 1), revision),
      revision,
      revision + 1,
    ];
    return String(random.pick(choices));
  }

  #compactRevision({ revision, compacted }: StorePosition): string {
    const { random } = this;
    if (random.chance(0.2)) return String(random.pick([-1, 0, compacted, revision + 5]));
    return String(random.integer(Math.max(compacted, 1), revision));
  }

  #txn(position: StorePosition, depth: number): object {
    const { random } = this;
    const list = <T>(most: number, make: () => T): T[] =>
      Array.from({ length: random.integer(0, most) }, make);
    return {
      compare: list(2, () => this.#compare(position)),
      success: list(4, () => this.#op(position, depth)),
      failure: list(3, () => this.#op(position, depth)),
    };
  }

  #op(position: StorePosition, depth: number): object {
    const dice = this.random.integer(1, 100);
    if (dice <= 38) return { requestPut: this.#put() };
    if (dice <= 52) return { requestRange: this.#range(position) };
    if (dice <= 68) return { requestDeleteRange: this.#delete(!this.#keeps) };
    if (dice <= 99)
      return depth > 0 ? { requestTxn: this.#txn(position, depth - 1) } : { requestPut: this.#put() };
    return {};
  }

  #compare({ revision }: StorePosition): object {
    const { random } = this;
    const target = random.integer(0, 4);
    const about = String(random.pick([0, 1, 2, random.integer(1, revision), revision]));
    const union = [
      { version: String(random.integer(0, 3)) },
      { createRevision: about },
      { modRevision: about },
      { value: random.pick(VALUES) },
      { lease: random.pick(['0', ...LEASES]) },
      {},
    ];
    return {
      ...(random.chance(0.7) ? { key: this.#key() } : this.#span()),
      target,
      result: random.integer(0, 3),
      ...(random.chance(0.03) ? {} : union[target]),
    };
  }

  #watch(position: StorePosition): object {
    const { random } = this;
    // Not the last compacted revision: there etcd before 3.5.20 has lost the deletes, and the embedded one has not.
    const start = random.pick([
      0,
      0,
      position.compacted - 1,
      position.compacted + 1,
      position.revision,
      position.revision + 3,
    ]);
    return {
      ...(random.chance(0.6) ? this.#span() : random.pick(WATCHED_SPANS)),
      startRevision: String(Math.max(start, 0)),
      prevKv: random.chance(0.5),
      fragment: random.chance(0.3),
      filters: random.pick([[], [], [], [0], [1], [0, 1]]),
      watchId: random.chance(0.3) ? String(random.integer(1, 12)) : '0',
    };
  }
}
