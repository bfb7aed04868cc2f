import type { EtcdProcess } from '../../lib/testing/index.js';

/** Calls and streams that etcd itself has counted, by method; keep-alives are left out. */
export async function countedCalls(etcd: EtcdProcess): Promise<Readonly<Record<string, number>>> {
  const text = await (await fetch(`http://127.0.0.1:${etcd.metricsPort}/metrics`)).text();
  const counts: Record<string, number> = {};
  for (const [, method, count] of text.matchAll(
    /^grpc_server_started_total\{grpc_method="(Txn|Put|DeleteRange|Range|Watch|LeaseGrant|LeaseRevoke)".*\} (\d+)$/gm,
  )) {
    if (Number(count) > 0) counts[method!] = Number(count);
  }
  return counts;
}

/** What `work` has cost etcd; nothing is counted for what did not happen. */
export async function costInCalls(
  etcd: EtcdProcess,
  work: () => Promise<unknown>,
): Promise<Record<string, number>> {
  const before = await countedCalls(etcd);
  await work();
  const spent = Object.entries(await countedCalls(etcd)).map(
    ([method, count]) => [method, count - (before[method] ?? 0)] as const,
  );
  return Object.fromEntries(spent.filter(([, count]) => count > 0));
}
