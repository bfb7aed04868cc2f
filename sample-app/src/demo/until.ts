import { setTimeout as sleep } from 'node:timers/promises';

/** @throws the signal's reason, when it aborts */
export async function passed(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}

/**
 * Asks every 20 ms until the answer is yes; resolves with the milliseconds that took.
 *
 * @throws Error naming what was waited for, after `limit` milliseconds; the signal's reason, when it aborts
 */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  signal: AbortSignal,
  limit = 15_000,
): Promise<number> {
  const from = performance.now();
  signal.throwIfAborted();
  while (!(await holds())) {
    if (performance.now() - from > limit) throw new Error(`after ${limit / 1000} s still not: ${what}`);
    await passed(20, signal);
  }
  return Math.round(performance.now() - from);
}
