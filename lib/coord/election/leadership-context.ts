import { AsyncLocalStorage } from 'node:async_hooks';
import type { Leadership } from './leadership.js';

/** One store per process, shared by the ESM and the CommonJS build. */
const KEY = Symbol.for('im-infra:leadership-context');

function storage(): AsyncLocalStorage<Leadership> {
  const home = globalThis as { [KEY]?: AsyncLocalStorage<Leadership> };
  return (home[KEY] ??= new AsyncLocalStorage<Leadership>());
}

/** The leadership that this code runs under, inside an `@OnLeader` method. */
export function currentLeadership(): Leadership | undefined {
  return storage().getStore();
}

export function runAsLeader<T>(leadership: Leadership, run: () => T): T {
  return storage().run(leadership, run);
}
