import type { Change } from '../etcd/snapshot-map.js';
import { type Admission, admits } from './admission.js';
import { isSharedPlace } from './queue-layout.js';

/** A place of this process, as its queue sees it. */
export interface Member {
  readonly key: string;
  /** The create revision of the key; the same key made again later is somebody else's. */
  readonly revision: bigint;
  readonly admission: Admission;
  /** Called once, when nobody is left ahead who must go first. */
  admitted(): void;
  /** Called once, when the key is gone. */
  gone(): void;
}

interface Entry {
  readonly key: string;
  readonly revision: bigint;
  readonly shared: boolean;
}

/**
 * A queue in memory: its keys by create revision, which is the order in which etcd took them. Whoever has seen the state
 * at or after its own create revision has seen everybody ahead of it, and that set can only shrink.
 */
export class QueueOrder {
  readonly #members = new Map<string, Member>();
  readonly #waiting = new Set<Member>();
  #entries: Entry[] = [];
  #known = new Map<string, bigint>();

  /** Whether the place has been seen: until then its queue says nothing about it. */
  has({ key, revision }: Pick<Member, 'key' | 'revision'>): boolean {
    return this.#known.get(key) === revision;
  }

  /** Follows a place, which may not have been seen yet; one already admitted is followed for its loss only. */
  join(member: Member, admitted: boolean): void {
    this.#members.set(member.key, member);
    if (admitted) return;
    this.#waiting.add(member);
    this.#admit();
  }

  leave(member: Member): void {
    this.#waiting.delete(member);
    if (this.#members.get(member.key) === member) this.#members.delete(member.key);
  }

  /** What one revision changed; members learn of it before the call returns. */
  apply(changes: readonly Change[]): void {
    for (const { key, previous, current } of changes) {
      if (previous?.createRevision === current?.createRevision) continue;
      if (previous) this.#remove(key, previous.createRevision);
      if (current) this.#insert({ key, revision: current.createRevision, shared: isSharedPlace(key) });
    }
    this.#admit();
  }

  /** The place is known to be gone before its event arrives: a release of this process that etcd confirmed. */
  remove(key: string, revision: bigint): void {
    this.#remove(key, revision);
    this.#admit();
  }

  #insert(entry: Entry): void {
    this.#known.set(entry.key, entry.revision);
    const last = this.#entries.at(-1);
    this.#entries.push(entry);
    if (last && last.revision > entry.revision) {
      this.#entries.sort((a, b) => (a.revision < b.revision ? -1 : a.revision > b.revision ? 1 : 0));
    }
  }

  #remove(key: string, revision: bigint): void {
    if (this.#known.get(key) !== revision) return;
    this.#known.delete(key);
    this.#entries.splice(
      this.#entries.findIndex((entry) => entry.key === key),
      1,
    );
    const member = this.#members.get(key);
    if (member?.revision !== revision) return;
    this.leave(member);
    member.gone();
  }

  /** Walks the front of the queue as far as anybody can be admitted. */
  #admit(): void {
    if (this.#waiting.size === 0) return;
    let limit = 1;
    for (const { admission } of this.#waiting) limit = Math.max(limit, admission.limit);
    let exclusiveAhead = 0;
    const admitted: Member[] = [];
    for (const [ahead, { key, revision, shared }] of this.#entries.entries()) {
      if (ahead >= limit && exclusiveAhead > 0) break;
      const member = this.#members.get(key);
      if (
        member?.revision === revision &&
        this.#waiting.has(member) &&
        admits(member.admission, ahead, exclusiveAhead)
      )
        admitted.push(member);
      if (!shared) exclusiveAhead++;
    }
    for (const member of admitted) {
      this.#waiting.delete(member);
      member.admitted();
    }
  }
}
