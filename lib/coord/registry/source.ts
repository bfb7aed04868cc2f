import { createHash } from 'node:crypto';
import type { RoomContext } from '../etcd/room-context.js';

/**
 * Which etcd and which keys, for people: two registries with the same source are interchangeable. The etcd goes by its
 * configured endpoints: a cluster's id is made of its members' peer URLs, and two etcds that leave those at their default
 * have one id.
 */
export function sourceOf({ endpoints, prefixes }: Pick<RoomContext, 'endpoints' | 'prefixes'>): string {
  return `${endpoints.toSorted().join(', ')}, ${prefixes.services}/`;
}

/** The same as the name of a folder. */
export function sourceFolder(context: Pick<RoomContext, 'endpoints' | 'prefixes'>): string {
  return createHash('sha256').update(sourceOf(context)).digest('hex').slice(0, 16);
}
