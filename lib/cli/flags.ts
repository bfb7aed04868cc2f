import { parseArgs } from 'node:util';
import type { CoordOptions } from '../coord/coord.options.js';
import type { CliIo } from './cli-io.js';
import { UsageError } from './usage.error.js';

/** Which etcd, and who asks. */
export type ConnectionFlags = Pick<CoordOptions, 'endpoints' | 'username' | 'password' | 'tls'>;

export interface CommonFlags {
  readonly connection: ConnectionFlags;
  readonly json: boolean;
  readonly help: boolean;
  /** What is not a flag. */
  readonly words: readonly string[];
}

/** How the flags of every command read in a help text. */
export const COMMON_FLAGS_HELP = `  --endpoints <host:port,...>   etcd  (default: the variable ETCD_ENDPOINTS, else 127.0.0.1:2379)
  --user <name>                 etcd's user  (default: the variable ETCD_USER; its password: ETCD_PASSWORD)
  --cacert <file>               TLS: the authority that signed etcd's certificate
  --cert <file>, --key <file>   TLS: this client's certificate and key
  --json                        one JSON document a line instead of columns
  --help                        this text
`;

const text = { type: 'string' } as const;

/** The flags that lead to etcd, as parseArgs takes them. */
export const CONNECTION_FLAGS = { endpoints: text, user: text, cacert: text, cert: text, key: text } as const;

/** The password is no flag: a command line can be read by everybody on the machine. */
export function readConnection(
  values: { readonly [Name in keyof typeof CONNECTION_FLAGS]?: string | undefined },
  env: CliIo['env'],
): ConnectionFlags {
  const { cacert, cert, key } = values;
  const endpoints = values.endpoints ?? env['ETCD_ENDPOINTS'] ?? '127.0.0.1:2379';
  const username = values.user ?? env['ETCD_USER'];
  const password = env['ETCD_PASSWORD'];
  return {
    endpoints: endpoints.split(',').map((each) => each.trim()),
    ...(username !== undefined && { username, ...(password !== undefined && { password }) }),
    ...([cacert, cert, key].some((each) => each !== undefined) && {
      tls: {
        ...(cacert !== undefined && { ca: cacert }),
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
      },
    }),
  };
}

/** Reads the flags that all commands have. @throws UsageError */
export function readFlags(args: readonly string[], env: CliIo['env']): CommonFlags {
  const { values, positionals } = parse(args);
  return {
    connection: readConnection(values, env),
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
      options: { ...CONNECTION_FLAGS, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
}
