/**
 * Asked before a validated value is shown; `previous` is undefined at the first. Returning (or resolving to) `false`,
 * throwing, or taking longer than 5 s keeps the last good value.
 */
export type BeforeApply<T> = (previous: T | undefined, next: T) => unknown;

export const VETO_TIMEOUT = 5_000;

/** Why the value must not be applied; `undefined` when it may. What the callback throws is not repeated: it may hold values. */
export async function askVeto<T>(
  onBeforeApply: BeforeApply<T>,
  previous: T | undefined,
  next: T,
  timeout = VETO_TIMEOUT,
): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`onBeforeApply did not answer within ${timeout} ms`), timeout);
    timer.unref();
  });
  const asked = Promise.resolve()
    .then(() => onBeforeApply(previous, next))
    .then(
      (answer) => (answer === false ? 'refused by onBeforeApply' : undefined),
      (error: unknown) => `onBeforeApply threw ${error instanceof Error ? error.name : typeof error}`,
    );
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}
