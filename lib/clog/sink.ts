import type { Output } from './output.js';

/** Turns a JSON line into what the output gets. */
export type LineFormat = (line: string) => string;
export type LineListener = (line: string) => void;

/**
 * pino's one destination for as long as the logger lives. Behind it, format and output can be exchanged between two
 * lines: the next line takes the new way, no line goes both or neither.
 */
export class Sink {
  #output: Output;
  #format: LineFormat | undefined;
  /** Those who watch the lines, in JSON. */
  readonly #taps = new Set<LineListener>();
  #tapped = false;

  constructor(output: Output, format?: LineFormat) {
    this.#output = output;
    this.#format = format;
  }

  /** Never throws: what cannot be formatted is written as it is, and who watches is on his own. */
  write(line: string): void {
    if (this.#tapped) this.#showTaps(line);
    this.#output.write(this.#format === undefined ? line : this.#formatted(line, this.#format));
  }

  /** Goes on with another format and, if given, another output; returns the old one, which is the caller's to close. */
  swap(output: Output | undefined, format: LineFormat | undefined): Output | undefined {
    this.#format = format;
    if (output === undefined) return undefined;
    const old = this.#output;
    this.#output = output;
    return old;
  }

  /** Shows each line to `tap`, in JSON, before it is written. Returns how to stop that. */
  tap(tap: LineListener): () => void {
    this.#taps.add(tap);
    this.#tapped = true;
    return () => {
      this.#taps.delete(tap);
      this.#tapped = this.#taps.size > 0;
    };
  }

  flush(): Promise<void> {
    return this.#output.flush();
  }

  close(): Promise<void> {
    return this.#output.close();
  }

  #formatted(line: string, format: LineFormat): string {
    try {
      return format(line);
    } catch {
      return line;
    }
  }

  #showTaps(line: string): void {
    for (const tap of this.#taps) {
      try {
        tap(line);
      } catch {
        // A watcher's own matter; the line goes on.
      }
    }
  }
}
