import type { CliIo } from '../../../lib/cli/cli-io.js';

/** A command's outside that a spec can read: what was printed where. */
export function recordedIo(
  env: Record<string, string> = {},
): CliIo & { out: string; err: string; stop(): void } {
  const stopped = new AbortController();
  const io = {
    out: '',
    err: '',
    stdout: (text: string) => void (io.out += text),
    stderr: (text: string) => void (io.err += text),
    stdin: (async function* () {})(),
    isTTY: false,
    env,
    signal: stopped.signal,
    stop: () => stopped.abort(),
  };
  return io;
}
