/** Who is told of something, one after the other. What one of them throws is reported, and hurts nobody else. */
export class Listeners<T> {
  readonly #all = new Set<(told: T) => void>();
  readonly #report: (error: unknown) => void;

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  /** Returns the unsubscribing function. */
  add(listener: (told: T) => void): () => void {
    this.#all.add(listener);
    return () => this.#all.delete(listener);
  }

  /** Who comes while it is being told has seen it already, and is not told. */
  tell(told: T): void {
    const present = [...this.#all];
    for (const listener of present) {
      if (!this.#all.has(listener)) continue;
      try {
        listener(told);
      } catch (error) {
        this.#report(error);
      }
    }
  }

  /** Nobody is told any more, also of what is being told. */
  clear(): void {
    this.#all.clear();
  }
}
