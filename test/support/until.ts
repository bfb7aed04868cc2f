import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves as soon as `condition` holds; fails with `what` after `timeout` ms. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  { timeout = 10_000, what = 'the condition' }: { timeout?: number; what?: string } = {},
): Promise<void> {
  const end = performance.now() + timeout;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`${what} did not come true within ${timeout} ms`);
    await sleep(5);
  }
}
