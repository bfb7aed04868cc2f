import { AsyncLocalStorage } from 'node:async_hooks';
import type { WorkedLock } from './hold.js';
import type { Lock } from './lock.js';

/** A lock that code runs under, and what it covers. */
export interface Holding {
  readonly lock: WorkedLock;
  /** The lock service it came from: two applications in one process are strangers. */
  readonly service: object;
  readonly queues: readonly string[];
  /** Held with other readers. */
  readonly shared: boolean;
}

interface Nested extends Holding {
  readonly outer: Nested | undefined;
}

/** One store per process, shared by the ESM and the CommonJS build. */
const KEY = Symbol.for('im-infra:lock-context');

function storage(): AsyncLocalStorage<Nested> {
  const home = globalThis as { [KEY]?: AsyncLocalStorage<Nested> };
  return (home[KEY] ??= new AsyncLocalStorage<Nested>());
}

/** The innermost lock that this code runs under: inside a `@WithLock` method or `lock.using`. */
export function currentLock(): Lock | undefined {
  return storage().getStore()?.lock;
}

/** All locks that this code runs under, the innermost first; some may be lost or released meanwhile. */
export function currentHoldings(): Iterable<Holding> {
  const innermost = storage().getStore();
  return innermost ? outwards(innermost) : [];
}

function* outwards(innermost: Nested): Generator<Holding> {
  for (let holding: Nested | undefined = innermost; holding; holding = holding.outer) yield holding;
}

export function runUnder<T>(holding: Holding, run: () => T): T {
  const store = storage();
  return store.run({ ...holding, outer: stillHeld(store.getStore()) }, run);
}

/**
 * Runs what belongs to a lock and not to the code that runs under another one. Node ties each promise to the context that
 * it was made in; a lock whose promises were made under the one before it would keep that alive, and so on for ever.
 */
export function apart<T>(run: () => T): T {
  const store = storage();
  return store.getStore() === undefined ? run() : store.exit(run);
}

/**
 * Without those that are over. A timer or a job begun under a lock keeps its context after the lock has gone: a job that
 * schedules its next run each time would otherwise carry all its runs along.
 */
function stillHeld(holding: Nested | undefined): Nested | undefined {
  if (!holding) return undefined;
  const outer = stillHeld(holding.outer);
  if (!holding.lock.isHeld()) return outer;
  return outer === holding.outer ? holding : { ...holding, outer };
}
