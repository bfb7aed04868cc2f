import type { Output } from './output.js';
import { writeFully } from './write-fully.js';

/**
 * Standard output or standard error. Writes go straight to the descriptor, synchronously; if somebody replaced the
 * stream's `write`, as test runners do, they go there.
 */
export class StreamOutput implements Output {
  readonly #fd: 1 | 2;
  readonly #stream: NodeJS.WriteStream;
  /** The reader has gone; nobody will ever see another line. */
  #broken = false;

  constructor(name: 'stdout' | 'stderr') {
    this.#fd = name === 'stdout' ? 1 : 2;
    this.#stream = process[name];
  }

  write(line: string): void {
    if (Object.hasOwn(this.#stream, 'write')) {
      this.#stream.write(line);
      return;
    }
    if (this.#broken) return;
    try {
      writeFully(this.#fd, line);
    } catch {
      this.#broken = true;
    }
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}
}
