import type { Output } from './output.js';
import { writeFully, writtenBefore } from './write-fully.js';

/**
 * Standard output or standard error. Writes go straight to the descriptor, synchronously; if somebody replaced the
 * stream's `write`, as test runners do, they go there.
 */
export class StreamOutput implements Output {
  readonly #fd: 1 | 2;
  readonly #stream: NodeJS.WriteStream;
  /** The reader has gone; nobody will ever see another line. */
  #broken = false;
  /** What was written ends in a piece of a line. */
  #torn = false;

  constructor(name: 'stdout' | 'stderr') {
    this.#fd = name === 'stdout' ? 1 : 2;
    this.#stream = process[name];
  }

  write(line: string): void {
    try {
      if (Object.hasOwn(this.#stream, 'write')) this.#stream.write(line);
      else if (!this.#broken) this.#writeFully(line);
    } catch {
      // Whoever replaced `write` threw, or the system refuses the line, as a full disk does: the next may do better.
    }
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}

  #writeFully(line: string): void {
    try {
      writeFully(this.#fd, this.#torn ? `\n${line}` : line);
      this.#torn = false;
    } catch (error) {
      this.#broken = (error as NodeJS.ErrnoException).code === 'EPIPE';
      if (writtenBefore(error) > 0) this.#torn = true;
      throw error;
    }
  }
}
