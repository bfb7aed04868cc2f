import type { Clock } from './clock.js';

const SLICES = 5;

/**
 * Calls `callback` after `delay` ms in which this process could have heard an answer. A timer that falls due while the
 * event loop is blocked runs before the answer that lies in the socket is read; whoever concludes from it that the other
 * side is silent mistakes its own pause for theirs. So the delay is waited for in five parts, between which the loop
 * reads: a pause of any length counts as one part. `meanwhile` is called between them. Returns the cancelling function.
 */
export function afterSilence(
  clock: Clock,
  delay: number,
  callback: () => void,
  meanwhile?: () => void,
): () => void {
  let left = SLICES;
  const wait = (): (() => void) => clock.after(delay / SLICES, step);
  const step = (): void => {
    left--;
    if (left === 0) return callback();
    cancel = wait();
    meanwhile?.();
  };
  let cancel = wait();
  return () => cancel();
}
