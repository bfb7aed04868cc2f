import { onAbort } from '../coord/etcd/on-abort.js';
import { ImInfraError } from '../errors/im-infra.error.js';

/** The command was told to stop before it was done: exit code 1. */
export class InterruptedError extends ImInfraError {
  static readonly code = 'INTERRUPTED';
  readonly code = InterruptedError.code;

  constructor() {
    super('stopped before it was done');
  }
}

/** What `work` gives, or an {@link InterruptedError} once the signal aborts: a terminal that nobody types into never ends. */
export async function unlessStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) throw new InterruptedError();
  let forget: () => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => {
    forget = onAbort(signal, () => reject(new InterruptedError()));
  });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    forget();
  }
}
