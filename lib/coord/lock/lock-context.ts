import { AsyncLocalStorage } from 'node:async_hooks';
import type { Lock } from './lock.js';

/** A lock that code runs under, and what it covers. */
export interface Holding {
  readonly lock: Lock;
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
export function* currentHoldings(): Generator<Holding> {
  for (let holding = storage().getStore(); holding; holding = holding.outer) yield holding;
}

export function runUnder<T>(holding: Holding, run: () => T): T {
  const store = storage();
  return store.run({ ...holding, outer: store.getStore() }, run);
}
