/**
 * Makes an application's function safe to ask for each call: while it throws, or returns what is no number from 0 to 1, its
 * last good answer counts; before the first one, 0. `onBroken` is told when that begins, not for each call.
 */
export function steadyShare(share: () => number, onBroken: (problem: unknown) => void): () => number {
  let last = 0;
  let broken = false;
  const refuse = (problem: unknown): number => {
    if (!broken) onBroken(problem);
    broken = true;
    return last;
  };
  return () => {
    let now: number;
    try {
      now = share();
    } catch (error) {
      return refuse(error);
    }
    if (!(typeof now === 'number' && now >= 0 && now <= 1)) {
      return refuse(new RangeError(`it returned ${String(now)}, not a number from 0 to 1`));
    }
    broken = false;
    return (last = now);
  };
}
