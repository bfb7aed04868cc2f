import { type Span } from './span.js';

/** What one write made of a key. `deleted` marks a tombstone; its other fields but `revision` say nothing. */
export interface KeyVersion {
  readonly key: string;
  readonly revision: number;
  readonly created: number;
  readonly version: number;
  readonly value: Buffer;
  readonly lease: bigint;
  readonly deleted: boolean;
}

/** All versions of all keys that compaction has left, in key order: what was there at a revision? */
export class KeyIndex {
  /** Sorted. A key leaves it when compaction leaves none of its versions. */
  readonly #keys: string[] = [];
  readonly #histories = new Map<string, KeyVersion[]>();

  /** The key as it was at `revision`; `undefined` if it was not there. */
  at(key: string, revision: number): KeyVersion | undefined {
    const history = this.#histories.get(key);
    if (history === undefined) return undefined;
    // From the end: nearly every read asks for the newest.
    for (let i = history.length - 1; i >= 0; i--) {
      const version = history[i]!;
      if (version.revision <= revision) return version.deleted ? undefined : version;
    }
    return undefined;
  }

  /** The keys of `span` as they were at `revision`, in key order. */
  range(span: Span, revision: number): KeyVersion[] {
    if (span.to === `${span.from}\0`) {
      const only = this.at(span.from, revision);
      return only === undefined ? [] : [only];
    }
    const found: KeyVersion[] = [];
    for (let i = this.#position(span.from); i < this.#keys.length; i++) {
      const key = this.#keys[i]!;
      if (span.to !== undefined && key >= span.to) break;
      const version = this.at(key, revision);
      if (version !== undefined) found.push(version);
    }
    return found;
  }

  append(version: KeyVersion): void {
    const history = this.#histories.get(version.key);
    if (history !== undefined) {
      history.push(version);
      return;
    }
    this.#histories.set(version.key, [version]);
    this.#keys.splice(this.#position(version.key), 0, version.key);
  }

  /** Forgets what can only be read at revisions before `revision`. */
  compact(revision: number): void {
    let kept = 0;
    for (const key of this.#keys) {
      const history = this.#histories.get(key)!;
      let first = history.length - 1;
      while (first > 0 && history[first]!.revision > revision) first--;
      if (history[first]!.deleted && history[first]!.revision <= revision) first++;
      history.splice(0, first);
      if (history.length === 0) this.#histories.delete(key);
      else this.#keys[kept++] = key;
    }
    this.#keys.length = kept;
  }

  #position(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#keys[middle]! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
