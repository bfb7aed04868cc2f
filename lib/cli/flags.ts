import { parseArgs } from 'node:util';
import type { CliIo } from './cli-io.js';
import { UsageError } from './usage.error.js';

export interface CommonFlags {
  readonly endpoints: readonly string[];
  readonly json: boolean;
  readonly help: boolean;
  /** What is not a flag. */
  readonly words: readonly string[];
}

/** How the flags of every command read in a help text. */
export const COMMON_FLAGS_HELP = `  --endpoints <host:port,...>   etcd  (default: the variable ETCD_ENDPOINTS, else 127.0.0.1:2379)
  --json                        one JSON document a line instead of columns
  --help                        this text
`;

/** Reads the flags that all commands have. @throws UsageError */
export function readFlags(args: readonly string[], env: CliIo['env']): CommonFlags {
  const { values, positionals } = parse(args);
  const text = values.endpoints ?? env['ETCD_ENDPOINTS'] ?? '127.0.0.1:2379';
  return {
    endpoints: text.split(',').map((each) => each.trim()),
    json: values.json ?? false,
    help: values.help ?? false,
    words: positionals,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        endpoints: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
}
