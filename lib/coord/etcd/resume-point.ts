/**
 * From where a watch goes on: behind the highest `mod_revision` that was *delivered*, or behind the revision of the
 * list. Headers do not move it: etcd sends a backlog in batches whose headers carry the store's current revision.
 */
export class ResumePoint {
  #next = 0n;
  #known = false;

  /** Whether there is one; else the range is to be listed. */
  get known(): boolean {
    return this.#known;
  }

  /** The first revision not yet delivered. */
  get next(): bigint {
    return this.#next;
  }

  /** Everything up to `revision` was listed or delivered. */
  reached(revision: bigint): void {
    this.#next = revision + 1n;
    this.#known = true;
  }

  /** What lies behind it is gone. */
  forget(): void {
    this.#known = false;
  }
}
