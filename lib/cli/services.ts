import { checkName } from '../options/check.js';
import { resolveCoordOptions } from '../coord/coord.options.js';
import { EtcdClient } from '../coord/etcd/etcd.client.js';
import { type KeyRange, type KeyValue, prefixRange } from '../coord/etcd/kv.js';
import { decodeInstance } from '../coord/registry/instance-record.js';
import { serviceRange } from '../coord/registry/instance-key.js';
import type { ServiceInstance } from '../coord/registry/service-instance.js';
import type { CliIo } from './cli-io.js';
import { columns } from './columns.js';
import { COMMON_FLAGS_HELP, readFlags } from './flags.js';
import { UsageError } from './usage.error.js';

const usage = `usage: im-infra services ls [name]      the instances that are registered, of one service or of all
       im-infra services watch [name]   the same, then every change until Ctrl-C

${COMMON_FLAGS_HELP}`;

interface Row {
  readonly key: string;
  readonly instance?: ServiceInstance;
  /** Why the key is no instance. */
  readonly problem?: string;
}

/** `im-infra services`: what the registry has, read from etcd as it is and not through a client's view of it. */
export async function runServices(args: readonly string[], io: CliIo): Promise<number> {
  const { connection, json, help, words } = readFlags(args, io.env);
  if (help) {
    io.stdout(usage);
    return 0;
  }
  const [verb, name, ...rest] = words;
  if ((verb !== 'ls' && verb !== 'watch') || rest.length > 0) throw new UsageError(usage);
  if (name !== undefined) checkName('name', name);

  const { etcd, prefixes } = resolveCoordOptions(connection);
  const range =
    name === undefined ? prefixRange(`${prefixes.services}/`) : serviceRange(prefixes.services, name);
  const read = (entry: KeyValue): Row => readRow(prefixes.services, entry);
  const client = EtcdClient.create(etcd);
  try {
    await client.ready({ signal: io.signal });
    if (verb === 'ls') {
      const rows = (await client.range(range, { signal: io.signal })).kvs.map(read);
      io.stdout(json ? rows.map((row) => `${JSON.stringify(toJson(row))}\n`).join('') : table(rows));
    } else {
      await watch(
        client,
        range,
        read,
        (type, row) =>
          io.stdout(
            json ? `${JSON.stringify({ type, ...toJson(row) })}\n` : `${type.padEnd(6)}  ${line(row)}\n`,
          ),
        io.signal,
      );
    }
    return 0;
  } finally {
    await client.close();
  }
}

async function watch(
  client: EtcdClient,
  range: KeyRange,
  read: (entry: KeyValue) => Row,
  print: (type: 'PUT' | 'DELETE', row: Row) => void,
  signal: AbortSignal,
): Promise<void> {
  const mirror = client.mirror(range);
  mirror.subscribe(({ changes }) => {
    for (const { current, previous } of changes) {
      if (current !== undefined) print('PUT', read(current));
      else if (previous !== undefined) print('DELETE', read(previous));
    }
  });
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function readRow(prefix: string, { key, value }: KeyValue): Row {
  const [name = '', ...id] = key.slice(prefix.length + 1).split('/');
  try {
    return { key, instance: decodeInstance(name, id.join('/'), value) };
  } catch (error) {
    return { key, problem: (error as Error).message };
  }
}

function toJson({ key, instance, problem }: Row): object {
  return instance ?? { key, problem };
}

function table(rows: readonly Row[]): string {
  if (rows.length === 0) return 'no instance is registered\n';
  return columns(['SERVICE', 'INSTANCE', 'ADDRESS', 'METADATA'], rows.map(cells));
}

function line(row: Row): string {
  return cells(row).join('  ').trimEnd();
}

function cells({ key, instance, problem }: Row): string[] {
  if (instance === undefined) return [key, `(${problem})`, '', ''];
  const { name, id, address, port, metadata = {} } = instance;
  const pairs = Object.entries(metadata).map(([label, text]) => `${label}=${text}`);
  return [name, id, `${address.includes(':') ? `[${address}]` : address}:${port}`, pairs.join(' ')];
}
