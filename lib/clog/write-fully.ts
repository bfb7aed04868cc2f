import { writeSync } from 'node:fs';

/** What a waiting writer sleeps on; nobody ever wakes it. */
const NEVER = new Int32Array(new SharedArrayBuffer(4));
/** Between two tries at a pipe whose reader is behind: 1 ms, a thousandth of what a person notices. */
const PAUSE = 1;

/**
 * Writes the whole text or throws. A pipe that is full (`EAGAIN`: Node or a shell made it non-blocking) is waited
 * for, as a blocking pipe would make us wait; a short write goes on where it stopped, so that no line is torn.
 *
 * @returns the number of bytes.
 */
export function writeFully(fd: number, text: string): number {
  const size = Buffer.byteLength(text);
  let written = attempt(() => writeSync(fd, text));
  if (written < size) {
    const bytes = Buffer.from(text);
    while (written < size) {
      const from = written;
      written += attempt(() => writeSync(fd, bytes, from));
    }
  }
  return size;
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
