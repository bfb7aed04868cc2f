import { parseArgs } from 'node:util';
import { ValidationError } from '../errors/validation.error.js';
import { checkPort } from '../options/check.js';
import type { CliIo } from './cli-io.js';
import { UsageError } from './usage.error.js';

const usage = `usage: im-infra dev [--port <port>]   an etcd in this process, in memory, until Ctrl-C

For development: it keeps nothing and replicates nothing.
  --port <port>               (default: 2379)
  --endpoints <host:port>     the same as an address, 127.0.0.1:2379: where the other commands find it
  --json                      one JSON document with the endpoint instead of text
  --help                      this text
`;

/** `im-infra dev`: starts an EmbeddedEtcd. The test kit is loaded only here; no other command needs it. */
export async function runDev(args: readonly string[], io: CliIo): Promise<number> {
  const { json, help, ...where } = readFlags(args);
  if (help) {
    io.stdout(usage);
    return 0;
  }
  const { EmbeddedEtcd } = await import('../testing/embedded-etcd.js');
  const port = portOf(where);
  const etcd = await EmbeddedEtcd.start({ port }).catch((error: unknown) => {
    // The flag was right; that somebody else has the port is a failure, not wrong usage.
    if (!(error instanceof ValidationError && error.argument === 'port')) throw error;
    throw new Error(`port ${port} of 127.0.0.1 is in use: take another with --port`, { cause: error });
  });
  try {
    io.stdout(
      json
        ? `${JSON.stringify({ endpoint: etcd.endpoint })}\n`
        : `EmbeddedEtcd listens on ${etcd.endpoint}; it forgets everything when it stops. Ctrl-C stops it.\n`,
    );
    await new Promise<void>((resolve) => {
      if (io.signal.aborted) resolve();
      else io.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    return 0;
  } finally {
    await etcd.stop();
  }
}

function portOf({ port, endpoints }: { readonly port?: string; readonly endpoints?: string }): number {
  if (endpoints === undefined) return checkPort('--port', Number(port ?? '2379'));
  if (port !== undefined) throw new UsageError(`--port or --endpoints, not both\n\n${usage}`);
  const digits = /^(?:http:\/\/)?(?:127\.0\.0\.1|localhost):(\d{1,5})$/.exec(endpoints)?.[1];
  if (digits === undefined) {
    throw new ValidationError('--endpoints', "one address of this machine, '127.0.0.1:2379'", endpoints);
  }
  return checkPort('--endpoints', Number(digits));
}

function readFlags(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        port: { type: 'string' },
        endpoints: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    return values;
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}\n\n${usage}`, { cause });
  }
}
