import { escapeKey, unescapeKey } from './lock-key.js';

export interface PlaceKey {
  readonly lease: string;
  readonly slot: number;
  readonly shared: boolean;
}

/**
 * Where the waiters of a lock are kept. A place in the queue of `order` is the key `{root}/order/{leaseHex}`, or
 * `{root}/order/{leaseHex}-{slot}` for the second and later tasks of the process; the owner is the place with the lowest
 * create revision. That is the layout of Go's `concurrency.Mutex`.
 *
 * No lock has an empty key, so what lies below `{root}//` is ours alone: semaphores, claims, and the epochs of sessions.
 */
export class QueueLayout {
  readonly root: string;

  /** @param root without a trailing `/`, for example `/locks`. */
  constructor(root: string) {
    this.root = root;
  }

  /** The prefix of the queue of a lock. */
  queue(key: string): string {
    return `${this.root}/${escapeKey(key)}/`;
  }

  semaphore(key: string): string {
    return `${this.root}//semaphore/${escapeKey(key)}/`;
  }

  claim(key: string): string {
    return `${this.root}//claim/${escapeKey(key)}`;
  }

  /** The key that every attempt of a session compares: see `Epoch`. */
  epoch(lease: string): string {
    return `${this.root}//epoch/${lease}`;
  }
}

/** A reader's place carries an `r` before its slot; to Go's mutex it is one more waiter ahead. */
export function placeKey(queue: string, lease: string, slot: number, shared: boolean): string {
  const base = `${queue}${lease}`;
  if (shared) return `${base}-r${slot}`;
  return slot === 0 ? base : `${base}-${slot}`;
}

export function isSharedPlace(key: string): boolean {
  return /-r\d+$/.test(key.slice(key.lastIndexOf('/') + 1));
}

export interface ParsedPlace {
  readonly kind: 'lock' | 'semaphore';
  readonly key: string;
  readonly lease: string;
  readonly shared: boolean;
}

/** Reads a key below `root` back, whoever wrote it; `undefined` for what is no place in a queue. */
export function parsePlace(root: string, etcdKey: string): ParsedPlace | undefined {
  if (!etcdKey.startsWith(`${root}/`)) return undefined;
  let path = etcdKey.slice(root.length + 1);
  const kind = path.startsWith('/semaphore/') ? 'semaphore' : 'lock';
  if (kind === 'semaphore') path = path.slice('/semaphore/'.length);
  const match = /^([^/]+)\/([0-9a-f]+)(?:-r?\d+)?$/.exec(path);
  if (match === null) return undefined;
  const [, segment, lease] = match as unknown as [string, string, string];
  return { kind, key: unescapeKey(segment), lease, shared: isSharedPlace(path) };
}
