/** How many names are remembered that nobody watches any more. A service reads hundreds; what reads more makes them up. */
const MOST_PAST = 10_000;

/** Which keys and prefixes are in use: all that a view is open on, and those that were read last. */
export class UsedNames implements Iterable<string> {
  readonly #held = new Map<string, number>();
  readonly #past = new Set<string>();

  /** A name was read once. Says whether it is new. */
  add(name: string): boolean {
    if (this.#held.has(name)) return false;
    const known = this.#past.delete(name);
    this.#past.add(name);
    if (this.#past.size > MOST_PAST) {
      for (const oldest of this.#past) {
        this.#past.delete(oldest);
        break;
      }
    }
    return !known;
  }

  /** A view on the name opens, to be released when it closes. Says whether the name is new. */
  hold(name: string): boolean {
    const views = this.#held.get(name) ?? 0;
    this.#held.set(name, views + 1);
    return !this.#past.delete(name) && views === 0;
  }

  release(name: string): void {
    const views = this.#held.get(name) ?? 0;
    if (views > 1) this.#held.set(name, views - 1);
    else if (this.#held.delete(name)) this.add(name);
  }

  /** Whether the key is in use, by itself or with all below a prefix. */
  covers(key: string): boolean {
    return lies(key, (name) => this.#held.has(name) || this.#past.has(name));
  }

  *[Symbol.iterator](): Iterator<string> {
    yield* this.#held.keys();
    yield* this.#past;
  }
}

/** Whether the key, or a prefix that it lies below, passes `test`. */
export function lies(key: string, test: (name: string) => boolean): boolean {
  if (test(key)) return true;
  for (let at = key.indexOf('/'); at >= 0; at = key.indexOf('/', at + 1)) {
    if (test(key.slice(0, at + 1))) return true;
  }
  return false;
}
