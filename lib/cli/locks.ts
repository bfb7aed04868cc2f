import { resolveCoordOptions } from '../coord/coord.options.js';
import { EtcdClient } from '../coord/etcd/etcd.client.js';
import { prefixRange } from '../coord/etcd/kv.js';
import { checkLockKey } from '../coord/lock/lock-key.js';
import type { CliIo } from './cli-io.js';
import { columns } from './columns.js';
import { COMMON_FLAGS_HELP, readFlags } from './flags.js';
import { LOCK_HEADINGS, lockCells, lockJson, type LockRow, lockRows } from './lock-rows.js';
import { UsageError } from './usage.error.js';

const usage = `usage: im-infra locks ls [key]       who holds which lock, who waits, since when, from where
       im-infra locks watch [key]    the same, again after every change until Ctrl-C; with --json an array a line
       im-infra locks break <key>    take the lock from its owner, who is told; the next one gets it. Of a semaphore
                                     that is the permit taken first

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
    if (verb === 'ls') {
      const rows = await read(reader, io.signal);
      io.stdout(json ? rows.map((row) => `${JSON.stringify(lockJson(row))}\n`).join('') : table(rows));
    } else {
      // A line for the state as a whole: an empty one is a state, too.
      const text = json ? (rows: readonly LockRow[]) => `${JSON.stringify(rows.map(lockJson))}\n` : table;
      await watch(reader, (rows) => io.stdout(text(rows)), io.signal);
    }
    return 0;
  } finally {
    await client.close();
  }
}

function table(rows: readonly LockRow[]): string {
  return rows.length === 0 ? 'no lock is held\n' : columns(LOCK_HEADINGS, rows.map(lockCells));
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
  let printed: string | undefined;
  mirror.subscribe(() => {
    const rows = lockRows(root, [...mirror.snapshot().entries.values()]).filter(
      (row) => key === undefined || row.key === key,
    );
    // What lies below the root is more than the locks that were asked for.
    const state = rows.map(({ etcdKey, token }) => `${etcdKey} ${token}`).join();
    if (state !== printed) print(rows);
    printed = state;
  });
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/**
 * Deletes the owner's key, and only while it is the owner's: whoever got the lock meanwhile keeps it. Nobody but its users
 * knows how many permits a semaphore has; who is first in line has one of them in any case. A lock of that name goes first.
 */
async function breakLock({ client, root, key }: Reader, io: CliIo): Promise<number> {
  const all = await read({ client, root, key }, io.signal);
  const held = all.filter(({ state }) => state === 'held');
  const rows = held.length > 0 ? held : all.filter(({ turn }) => turn === 1);
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
