/** What a command may touch of the outside: a test hands it another one. */
export interface CliIo {
  stdout(text: string): void;
  stderr(text: string): void;
  readonly stdin: AsyncIterable<string | Uint8Array>;
  /** Somebody watches stdout: columns and colours are for them, not for a pipe. */
  readonly isTTY: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
}
