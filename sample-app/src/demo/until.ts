import { setTimeout as passed } from 'node:timers/promises';

/**
 * Asks every 20 ms until the answer is yes; resolves with the milliseconds that took.
 *
 * @throws Error naming what was waited for, after `limit` milliseconds; the signal's reason, when it aborts
 */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  limit = 15_000,
  signal?: AbortSignal,
): Promise<number> {
  const from = performance.now();
  while (!(await holds())) {
    if (performance.now() - from > limit) throw new Error(`after ${limit / 1000} s still not: ${what}`);
    await passed(20);
    signal?.throwIfAborted();
  }
  return Math.round(performance.now() - from);
}
