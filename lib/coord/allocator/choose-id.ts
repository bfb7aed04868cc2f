import { createHash } from 'node:crypto';

/** An id that can be had: free, or resting and one's own from before. */
export interface Choice {
  readonly id: number;
  /** The modification revision of one's own resting key, to take it over; `undefined` for a free id. */
  readonly resting: bigint | undefined;
}

export interface Taken {
  readonly instance: string | undefined;
  readonly resting: boolean;
  readonly modRevision: bigint;
}

/**
 * The id to try: the one that this instance had before, while it still rests; else the one that its name hashes to; else
 * a random free one, so that a fleet that starts at once spreads. `undefined` if there is none.
 */
export function chooseId(
  maxId: number,
  taken: ReadonlyMap<number, Taken>,
  instance: string,
  random: () => number,
): Choice | undefined {
  for (const [id, { instance: owner, resting, modRevision }] of taken) {
    if (resting && owner === instance && id <= maxId) return { id, resting: modRevision };
  }
  const home = preferredId(instance, maxId);
  if (!taken.has(home)) return { id: home, resting: undefined };
  let within = 0;
  for (const id of taken.keys()) if (id >= 1 && id <= maxId) within++;
  const free = maxId - within;
  if (free <= 0) return undefined;
  let nth = Math.floor(random() * free);
  for (let id = 1; id <= maxId; id++) {
    if (!taken.has(id) && nth-- === 0) return { id, resting: undefined };
  }
  return undefined;
}

/** Where an instance looks first: the same id for the same name, whenever it is free. */
export function preferredId(instance: string, maxId: number): number {
  return (createHash('sha256').update(instance).digest().readUInt32BE(0) % maxId) + 1;
}
