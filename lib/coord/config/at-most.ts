import { systemClock } from '../etcd/clock.js';
import { budgetOf, type CallOptions } from '../etcd/etcd.options.js';

/** Waits for `work`: resolves with whether it ended within `timeout`; rejects with the signal's reason, or as `work` does. */
export async function atMost(work: Promise<unknown>, options: CallOptions): Promise<boolean> {
  const { signal } = options;
  const timeout = budgetOf(options, Infinity);
  signal?.throwIfAborted();
  const ended = new AbortController();
  const first: Promise<boolean>[] = [work.then(() => true)];
  if (signal) {
    first.push(
      new Promise((_, reject) => {
        const abort = (): void => reject(signal.reason as Error);
        signal.addEventListener('abort', abort, { once: true, signal: ended.signal });
      }),
    );
  }
  let cancel: () => void = () => undefined;
  if (timeout !== Infinity) {
    first.push(
      new Promise((resolve) => {
        cancel = systemClock.after(timeout, () => resolve(false), { hold: true });
      }),
    );
  }
  try {
    return await Promise.race(first);
  } finally {
    cancel();
    ended.abort();
  }
}
