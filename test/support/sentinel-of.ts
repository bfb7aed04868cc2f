import type { EtcdClient } from '../../lib/coord/etcd/etcd.client.js';
import { prefixRange } from '../../lib/coord/etcd/kv.js';
import { SESSIONS_PREFIX } from '../../lib/coord/etcd/sentinels.js';
import type { Session } from '../../lib/coord/etcd/session.js';
import { until } from './until.js';

/** The sentinel key of a session, once it is there. */
export async function sentinelOf(client: EtcdClient, { leaseId }: Session): Promise<string> {
  let found: string | undefined;
  await until(
    async () => {
      const { kvs } = await client.range({ ...prefixRange(SESSIONS_PREFIX), keysOnly: true });
      found = kvs.find(({ lease }) => lease === leaseId)?.key;
      return found !== undefined;
    },
    { what: 'the sentinel key' },
  );
  return found!;
}
