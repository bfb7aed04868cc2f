/** Compacts a real etcd at `revision`, else at its newest one, over its JSON gateway; resolves with the revision. */
export async function compactEtcd(endpoint: string, revision?: bigint): Promise<bigint> {
  const ask = async (method: string, body: object): Promise<unknown> => {
    const response = await fetch(`http://${endpoint}/v3/kv/${method}`, {
      method: 'POST',
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5_000),
    });
    if (response.ok) return response.json();
    throw new Error(`etcd at ${endpoint} refused ${method}: ${await response.text()}`);
  };
  const at = revision ?? (await newest(ask));
  await ask('compaction', { revision: at.toString(), physical: true });
  return at;
}

async function newest(ask: (method: string, body: object) => Promise<unknown>): Promise<bigint> {
  const { header } = (await ask('range', { key: 'AA==', count_only: true })) as {
    header: { revision: string };
  };
  return BigInt(header.revision);
}
