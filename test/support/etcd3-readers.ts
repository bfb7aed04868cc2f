import { Etcd3, type Lease } from 'etcd3';
import type { Believer } from '../faults/belief-torture.js';
import type { EventReader, Observation } from '../faults/event-torture.js';

const idOf = (value: Buffer): string => value.subarray(0, value.indexOf(':')).toString();

/** etcd3's own watcher over a prefix, as its documentation says to use it. */
export async function openEtcd3Watcher(endpoint: string, prefix: string): Promise<EventReader> {
  const etcd = new Etcd3({ hosts: endpoint });
  const watcher = await etcd.watch().prefix(prefix).create();
  const observations: Observation[] = [];
  const state = new Map<string, string>();
  watcher.on('error', () => undefined);
  watcher.on('data', ({ events }) => {
    const byRevision = new Map<string, Map<string, string | undefined>>();
    for (const { kv, type } of events) {
      const changes = byRevision.get(kv.mod_revision) ?? new Map<string, string | undefined>();
      byRevision.set(kv.mod_revision, changes);
      const key = kv.key.toString();
      changes.set(key, type === 'Delete' ? undefined : idOf(kv.value));
      if (type === 'Delete') state.delete(key);
      else state.set(key, idOf(kv.value));
    }
    for (const [revision, changes] of byRevision) {
      observations.push({ revision: BigInt(revision), kind: 'watch', changes });
    }
  });
  return { observations, state: () => state, close: () => etcd.close() };
}

/** A key on etcd3's own lease, believed until the lease says that it is lost. */
export async function openEtcd3Lease(endpoint: string, ttl: number, prefix: string): Promise<Believer> {
  const etcd = new Etcd3({ hosts: endpoint });
  const lease: Lease = etcd.lease(ttl / 1_000);
  const key = `${prefix}${await lease.grant()}`;
  await lease.put(key).value('').exec();
  let lost = false;
  const callbacks: (() => void)[] = [];
  lease.on('lost', () => {
    lost = true;
    for (const callback of callbacks) callback();
  });
  lease.on('keepaliveFailed', () => undefined);
  return {
    key,
    onLoss: (callback) => void callbacks.push(callback),
    believes: () => !lost,
    close: () => {
      lease.release();
      etcd.close();
    },
  };
}
