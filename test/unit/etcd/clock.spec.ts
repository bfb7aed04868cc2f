import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { systemClock } from '../../../lib/coord/etcd/clock.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it('waits for longer than a timer of Node can, and does not call back at once', () => {
  let called = false;
  const cancel = systemClock.after(80 * 86_400_000, () => (called = true));
  vi.advanceTimersByTime(86_400_000);
  expect(called).toBe(false);
  cancel();
});
