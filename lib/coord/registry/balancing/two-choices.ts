/**
 * The cheaper of two items drawn at random: nearly as even as asking all of them, and without the herd that runs to the one
 * that looked best a moment ago (M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 1996).
 */
export class TwoChoices<T> {
  readonly #items: readonly T[];
  readonly #cost: (item: T) => number;
  readonly #random: () => number;

  constructor(items: readonly T[], cost: (item: T) => number, random: () => number = Math.random) {
    this.#items = items;
    this.#cost = cost;
    this.#random = random;
  }

  next(): T | undefined {
    const { length } = this.#items;
    if (length < 2) return this.#items[0];
    const first = Math.floor(this.#random() * length);
    const other = Math.floor(this.#random() * (length - 1));
    const a = this.#items[first] as T;
    const b = this.#items[other < first ? other : other + 1] as T;
    return this.#cost(b) < this.#cost(a) ? b : a;
  }
}
