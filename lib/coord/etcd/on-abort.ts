type Callback = () => void;

const nothing = (): void => undefined;
const callbacks = new WeakMap<AbortSignal, Set<Callback>>();

/**
 * Calls `callback` once when `signal` aborts; returns how to take it back. All callbacks of a signal share one listener:
 * an event target walks through its listeners to add one, so ten thousand writes under one signal would walk fifty
 * million. Without a signal nothing is ever called.
 */
export function onAbort(signal: AbortSignal | undefined, callback: Callback): () => void {
  if (!signal) return nothing;
  let all = callbacks.get(signal);
  if (!all) {
    const fresh = new Set<Callback>();
    callbacks.set(signal, (all = fresh));
    signal.addEventListener(
      'abort',
      () => {
        for (const each of fresh) each();
        fresh.clear();
      },
      { once: true },
    );
  }
  const waiting = all;
  waiting.add(callback);
  return () => waiting.delete(callback);
}

/** Resolves when `signal` aborts; at once if it has. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
