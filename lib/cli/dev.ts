import { parseArgs } from 'node:util';
import { checkPort } from '../options/check.js';
import type { CliIo } from './cli-io.js';
import { UsageError } from './usage.error.js';

const usage = `usage: im-infra dev [--port <port>]   an etcd in this process, in memory, until Ctrl-C

For development: it keeps nothing and replicates nothing.
  --port <port>   (default: 2379)
  --json          one JSON document with the endpoint instead of text
  --help          this text
`;

/** `im-infra dev`: starts an EmbeddedEtcd. The test kit is loaded only here; no other command needs it. */
export async function runDev(args: readonly string[], io: CliIo): Promise<number> {
  const { port = '2379', json, help } = readFlags(args);
  if (help) {
    io.stdout(usage);
    return 0;
  }
  const { EmbeddedEtcd } = await import('../testing/embedded-etcd.js');
  const etcd = await EmbeddedEtcd.start({ port: checkPort('--port', Number(port)) });
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

function readFlags(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { port: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
    return values;
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}\n\n${usage}`, { cause });
  }
}
