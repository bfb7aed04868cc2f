import { AsyncResource } from 'node:async_hooks';

const background = new AsyncResource('im-infra');

/**
 * Runs what lives longer than its caller: in no request's context, whose trace and locks would otherwise follow whatever
 * happens there later.
 */
export function inBackground<T>(run: () => T): T {
  return background.runInAsyncScope(run);
}
