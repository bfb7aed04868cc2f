import { resolveCoordOptions } from '../coord/coord.options.js';
import { EtcdClient } from '../coord/etcd/etcd.client.js';
import { prefixRange } from '../coord/etcd/kv.js';
import { checkLockKey } from '../coord/lock/lock-key.js';
import { QueueLayout } from '../coord/lock/queue-layout.js';
import type { CliIo } from './cli-io.js';
import { columns } from './columns.js';
import { COMMON_FLAGS_HELP, readFlags } from './flags.js';
import { LOCK_HEADINGS, lockCells, lockJson, type LockRow, lockRows } from './lock-rows.js';
import { UsageError } from './usage.error.js';

const usage = `usage: im-infra locks ls [key]       who holds which lock, who waits, since when, from where
       im-infra locks watch [key]    the same, again after every change until Ctrl-C
       im-infra locks break <key>    take the lock from its owner, who is told; the next one gets it

${COMMON_FLAGS_HELP}`;

/** `im-infra locks`: the queues as they are in etcd. */
export async function runLocks(args: readonly string[], io: CliIo): Promise<number> {
  const { connection, json, help, words } = readFlags(args, io.env);
  if (help) {
    io.stdout(usage);
    return 0;
  }
  const [verb, key, ...rest] = words;
  const known = verb === 'ls' || verb === 'watch' || (verb === 'break' && key !== undefined);
  if (!known || rest.length > 0) throw new UsageError(usage);
  if (key !== undefined) checkLockKey('key', key);

  const { etcd, prefixes } = resolveCoordOptions(connection);
  const client = EtcdClient.create(etcd);
  const reader = { client, root: prefixes.locks, key };
  try {
    await client.ready({ signal: io.signal });
    if (verb === 'break') return await breakLock(reader, io);
    const print = (rows: readonly LockRow[]): void =>
      io.stdout(
        json
          ? rows.map((row) => `${JSON.stringify(lockJson(row))}\n`).join('')
          : rows.length === 0
            ? 'no lock is held\n'
            : columns(LOCK_HEADINGS, rows.map(lockCells)),
      );
    if (verb === 'ls') print(await read(reader, io.signal));
    else await watch(reader, print, io.signal);
    return 0;
  } finally {
    await client.close();
  }
}

interface Reader {
  readonly client: EtcdClient;
  readonly root: string;
  /** Only this lock; `undefined` for all. */
  readonly key: string | undefined;
}

async function read({ client, root, key }: Reader, signal: AbortSignal): Promise<LockRow[]> {
  const { kvs } = await client.range(prefixRange(`${root}/`), { signal });
  return lockRows(root, kvs).filter((row) => key === undefined || row.key === key);
}

async function watch(
  { client, root, key }: Reader,
  print: (rows: readonly LockRow[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const mirror = client.mirror(prefixRange(`${root}/`));
  mirror.subscribe(() =>
    print(
      lockRows(root, [...mirror.snapshot().entries.values()]).filter(
        (row) => key === undefined || row.key === key,
      ),
    ),
  );
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Deletes the owner's key, and only while it is the owner's: whoever got the lock meanwhile keeps it. */
async function breakLock({ client, root, key }: Reader, io: CliIo): Promise<number> {
  const queue = new QueueLayout(root).queue(key!);
  const rows = (await read({ client, root, key }, io.signal)).filter(
    ({ etcdKey, state }) => etcdKey.startsWith(queue) && state === 'held',
  );
  if (rows.length === 0) {
    io.stderr(`the lock "${key}" is not held\n`);
    return 1;
  }
  for (const { etcdKey, token, holder, lease } of rows) {
    const { succeeded } = await client.commit(
      {
        compare: [{ key: etcdKey, target: 'create', value: token }],
        success: [{ delete: { key: etcdKey } }],
      },
      { idempotent: true, signal: io.signal },
    );
    const who = holder ? `${holder.instance} on ${holder.host}, pid ${holder.pid}` : `lease ${lease}`;
    io.stdout(succeeded ? `taken from ${who}\n` : `was released meanwhile by ${who}\n`);
  }
  return 0;
}
