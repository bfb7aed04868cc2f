import type { EtcdClient } from '../etcd/etcd.client.js';
import type { Place } from './place.js';
import { settleTxn } from './queue-txn.js';

/**
 * Settles an attempt whose answer was lost, within `timeout` ms: the place was taken, and has its revision now, or never
 * will be, however late the attempt arrives. Resolves with which it is.
 */
export async function settle(client: EtcdClient, place: Place, timeout: number): Promise<boolean> {
  const { succeeded, revision, results } = await client.commit(settleTxn(place), {
    timeout,
    session: place.session,
    idempotent: true,
    unordered: true,
  });
  const [epoch, own, ...heads] = results;
  place.epoch.current = succeeded ? revision : (epoch!.kvs[0]?.modRevision ?? 0n);
  const taken = own!.kvs[0];
  if (taken) place.taken(taken.createRevision, heads);
  return taken !== undefined;
}
