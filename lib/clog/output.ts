/**
 * Where lines go. A line handed to `write` is with the operating system when `write` returns: whatever ends the
 * process afterwards (exit, uncaught error, SIGKILL) does not take it away. `write` never throws.
 */
export interface Output {
  /** @param line one record, with its line break. */
  write(line: string): void;
  /** Resolves when what was written would survive a power failure, where the output can promise that. */
  flush(): Promise<void>;
  /** Gives back descriptors and ends background work. Idempotent; a line written later still arrives. */
  close(): Promise<void>;
}
