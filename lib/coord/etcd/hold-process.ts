/**
 * Keeps the process alive until `work` settles. Timers and lost connections do not: without this a process whose etcd is
 * away would end in the middle of an `await`, without a word (Node ends it with code 13).
 */
export async function holdProcess<T>(work: Promise<T>): Promise<T> {
  const hold = setInterval(() => undefined, 60_000);
  try {
    return await work;
  } finally {
    clearInterval(hold);
  }
}

/** Waits for `work`, however it ends, and at most `limit` ms; holds the process meanwhile. */
export async function waitAtMost(limit: number, work: Promise<unknown>): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, limit);
    const settled = (): void => {
      clearTimeout(timer);
      resolve();
    };
    work.then(settled, settled);
  });
}
