import { setTimeout as passed } from 'node:timers/promises';

/** Asks every 20 ms until the answer is yes. @throws Error naming what was waited for, after `limit` milliseconds */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  limit = 15_000,
): Promise<number> {
  const from = performance.now();
  while (!(await holds())) {
    if (performance.now() - from > limit) throw new Error(`after ${limit / 1000} s still not: ${what}`);
    await passed(20);
  }
  return Math.round(performance.now() - from);
}
