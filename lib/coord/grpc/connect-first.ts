import { connectivityState } from '@grpc/grpc-js';
import { versionOf, zoneOf } from '../registry/instance-traits.js';
import type { BalancingPlan } from '../registry/balancing/balancing-plan.js';
import type { Backend } from './backend.js';

/** How long one instance may take to connect before the next one is tried as well, in ms (RFC 8305's connection attempt delay). */
const PATIENCE = 250;

/** What this goes by of a {@link Backend}. */
export type FirstCandidate = Pick<
  Backend,
  'instance' | 'state' | 'well' | 'pending' | 'pendingFor' | 'connect'
>;

/**
 * Keeps one connection, for `pick_first`: to the first instance, and to the next only while that one is not well: unreachable,
 * slow to connect, silent, failing, or not serving. Those of the preferred zone come first; where calls are routed by
 * version, each version has a first of its own.
 *
 * @returns after how many ms to look again, if time alone changes the picture
 */
export function connectFirst(
  known: readonly FirstCandidate[],
  { zone, versionHeader, canary }: BalancingPlan,
): number | undefined {
  const near = (backend: FirstCandidate): boolean => zoneOf(backend.instance) === zone;
  const inOrder = zone === undefined ? known : known.toSorted((a, b) => Number(near(b)) - Number(near(a)));
  const routed = versionHeader !== undefined || canary !== undefined;
  const settled = new Set<string | undefined>();
  let again: number | undefined;
  for (const backend of inOrder) {
    const version = routed ? versionOf(backend.instance) : undefined;
    if (settled.has(version)) continue;
    if (backend.state === connectivityState.IDLE) backend.connect();
    const left = backend.pending ? PATIENCE - backend.pendingFor : 0;
    if (left > 0) again = Math.min(again ?? Infinity, left);
    if (left > 0 || backend.well) settled.add(version);
  }
  return again;
}
