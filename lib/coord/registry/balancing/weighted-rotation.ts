/**
 * The range that weights are scaled to: large enough for a share of 1 in 65,536, small enough for exact products, and a
 * power of two, so that halves and quarters are exact from the first turn on.
 */
const SCALE = 65_536;

/** Shifts the backends against each other, so that equal small weights do not all get their turn at the same time. */
const OFFSET = SCALE / 2;

/**
 * Round robin by weight, without a queue: in generation `g` the item `i` gets its turn if its weight "overflows" just then
 * (static stride scheduling, as in gRFC A58). A pick takes constant time on average and the order is smooth: weights 3 and 1
 * give `a a b a`, not three in a row. Equal weights are plain rotation.
 */
export class WeightedRotation<T> {
  readonly #items: readonly T[];
  readonly #weights: readonly number[] | undefined;
  #turn: number;

  /** @param start where to begin; give the {@link turn} of the rotation that this one replaces. */
  constructor(items: readonly T[], weights: readonly number[], start = 0) {
    const most = Math.max(0, ...weights);
    const given = items.filter((_, index) => most === 0 || (weights[index] ?? 0) > 0);
    this.#items = given;
    const scaled = weights
      .filter((weight) => weight > 0)
      .map((weight) => Math.max(1, Math.round((weight / most) * SCALE)));
    this.#weights = scaled.some((weight) => weight !== SCALE) ? scaled : undefined;
    this.#turn = start;
  }

  get turn(): number {
    return this.#turn;
  }

  /** The next item; `undefined` if there is none. */
  next(): T | undefined {
    const { length } = this.#items;
    if (length === 0) return undefined;
    for (;;) {
      const turn = this.#turn;
      this.#turn = (turn + 1) % Number.MAX_SAFE_INTEGER;
      const index = turn % length;
      const weight = this.#weights?.[index];
      if (weight === undefined) return this.#items[index];
      const generation = Math.floor(turn / length) % SCALE;
      // The heaviest item has the weight SCALE and takes every turn: the loop ends within one generation.
      if ((weight * generation + index * OFFSET) % SCALE >= SCALE - weight) return this.#items[index];
    }
  }
}
