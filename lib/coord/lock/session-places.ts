import { Epoch } from './epoch.js';

interface Slots {
  /** The first slot never used so far. */
  next: number;
  /** Made when the first is given back. */
  free: number[] | undefined;
}

/**
 * The places of one session. They share its lease, so each place in one queue needs a slot of its own. A slot is used
 * again as soon as its key is gone: a new key for every acquisition would slow a hot name down, since etcd's index keeps
 * the name of each deleted key until it is compacted.
 */
export class SessionPlaces {
  readonly #queues = new Map<string, Slots>();
  readonly epoch: Epoch;

  /** @param epoch the key of the session's epoch */
  constructor(epoch: string) {
    this.epoch = new Epoch(epoch);
  }

  takeSlot(queue: string): number {
    const slots = this.#queues.get(queue);
    if (!slots) {
      this.#queues.set(queue, { next: 1, free: undefined });
      return 0;
    }
    return slots.free?.pop() ?? slots.next++;
  }

  freeSlot(queue: string, slot: number): void {
    const slots = this.#queues.get(queue)!;
    const inUse = slots.next - (slots.free?.length ?? 0);
    if (inUse === 1) this.#queues.delete(queue);
    else (slots.free ??= []).push(slot);
  }
}
