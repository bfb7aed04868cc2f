import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import type { LockService } from './lock.service.js';

/** One set per process, shared by the ESM and the CommonJS build. */
const KEY = Symbol.for('im-infra:live-locks');

/** The lock services that are open in this process: one per application, as a rule. */
export function liveLocks(): Set<LockService> {
  const home = globalThis as { [KEY]?: Set<LockService> };
  return (home[KEY] ??= new Set());
}

/** The one lock service of this process. @throws CoordUnavailableError if there is none, or more than one to choose from */
export function onlyLiveLocks(what: string): LockService {
  const live = liveLocks();
  const [only] = live;
  if (only && live.size === 1) return only;
  throw new CoordUnavailableError(
    live.size === 0
      ? `${what} cannot run: no application with ImInfraModule (and \`coord\` options) is live in this process`
      : `${what} cannot run: ${live.size} applications are live in this process, and the object it is called on was ` +
          'not made by Nest; let Nest make it, so that it gets the lock service of its own application',
  );
}
