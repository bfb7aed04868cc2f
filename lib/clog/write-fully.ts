import { writeSync } from 'node:fs';

/** What a waiting writer sleeps on; nobody ever wakes it. */
const NEVER = new Int32Array(new SharedArrayBuffer(4));
/** Between two tries at a pipe whose reader is behind: 1 ms, a thousandth of what a person notices. */
const PAUSE = 1;

/** How bytes reach a descriptor: all, some of them, or an error; a test gives its own. */
export type WriteSome = (fd: number, data: string | Uint8Array, from?: number) => number;

const toSystem: WriteSome = (fd, data, from) =>
  typeof data === 'string' ? writeSync(fd, data) : writeSync(fd, data, from);

/**
 * Writes the whole text or throws. A pipe that is full (`EAGAIN`: Node or a shell made it non-blocking) is waited
 * for, as a blocking pipe would make us wait; a short write goes on where it stopped, so that no line is torn. What was
 * written before an error is told by {@link writtenBefore}.
 *
 * @returns the number of bytes.
 */
export function writeFully(fd: number, text: string, write: WriteSome = toSystem): number {
  const size = Buffer.byteLength(text);
  let written = 0;
  try {
    written = attempt(() => write(fd, text));
    if (written < size) {
      const bytes = Buffer.from(text);
      while (written < size) {
        const from = written;
        written += attempt(() => write(fd, bytes, from));
      }
    }
  } catch (error) {
    throw Object.assign(error as object, { [WRITTEN]: written });
  }
  return size;
}

const WRITTEN = Symbol('bytes written');

/** How many bytes {@link writeFully} had written when it threw this. */
export function writtenBefore(error: unknown): number {
  return (error as { readonly [WRITTEN]?: number })[WRITTEN] ?? 0;
}

function attempt(write: () => number): number {
  for (;;) {
    try {
      return write();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(NEVER, 0, 0, PAUSE);
    }
  }
}
