/** Keys of the first page, of which nobody knows yet what they weigh: at etcd's default limit of 1.5 MiB each, 24 MiB. */
const FIRST_PAGE = 16;
const LEAST_BYTES = 1024 * 1024;
const MOST_BYTES = 4 * 1024 * 1024;
const MOST_KEYS = 10_000;

/**
 * How many keys of a range to ask for at a time: a few first, then as many as make 1 MiB, 2 MiB, 4 MiB, so that neither
 * large values nor many keys make one answer that blocks etcd, the link or this process. A page that did not come in time
 * was too large for the link: then half of it, and never more again.
 */
export class PageSize {
  readonly #fixed: boolean;
  #keys: number;
  #bytes = LEAST_BYTES;
  #mostBytes = MOST_BYTES;

  /** @param keys what the caller wants. @default by weight */
  constructor(keys?: number) {
    this.#fixed = keys !== undefined;
    this.#keys = keys ?? FIRST_PAGE;
  }

  get keys(): number {
    return this.#keys;
  }

  /** A page of so many keys has come; they weighed so many bytes. */
  read(keys: number, bytes: number): void {
    if (this.#fixed || keys === 0) return;
    this.#keys = Math.max(1, Math.min(MOST_KEYS, Math.floor((this.#bytes * keys) / Math.max(1, bytes))));
    this.#bytes = Math.min(this.#mostBytes, this.#bytes * 2);
  }

  late(): void {
    this.#keys = Math.max(1, Math.floor(this.#keys / 2));
    this.#bytes /= 2;
    this.#mostBytes = this.#bytes;
  }
}
