import { describe, expect, it } from 'vitest';
import type { EtcdClient } from '../../../lib/coord/etcd/etcd.client.js';
import type { KeyValue, OpResult, Txn } from '../../../lib/coord/etcd/kv.js';
import { claim, resolveClaimOptions } from '../../../lib/coord/lock/claim.js';
import { CoordUnavailableError } from '../../../lib/errors/coord-unavailable.error.js';
import { OutcomeUnknownError } from '../../../lib/errors/outcome-unknown.error.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';

const lost = new OutcomeUnknownError('the answer was lost');

/** An etcd with nothing in it, which keeps what is put and then does as `commit` says. */
function etcd(commit: (put: string) => Promise<{ succeeded: boolean; results: OpResult[] }>) {
  const revoked: bigint[] = [];
  let stored: string | undefined;
  const client = {
    range: () => Promise.resolve(stored === undefined ? none : found(stored)),
    grant: () => Promise.resolve(5n),
    revoke: (lease: bigint) => {
      revoked.push(lease);
      return Promise.resolve();
    },
    commit: ({ success }: Txn) => {
      const [op] = success;
      return commit(op && 'put' in op ? op.put.value.toString() : '');
    },
  } as unknown as EtcdClient;
  const store = (value: string): void => void (stored = value);
  return { revoked, store, claim: () => claim(client, '/locks//claim/x', '{}', resolveClaimOptions()) };
}

const none: OpResult = { kvs: [], count: 0, more: false };
const found = (value: string): OpResult => ({
  kvs: [{ value: Buffer.from(value) } as KeyValue],
  count: 1,
  more: false,
});

describe('a claim', () => {
  it('that is won keeps its lease', async () => {
    const room = etcd(() => Promise.resolve({ succeeded: true, results: [none] }));
    expect(await room.claim()).toBe(true);
    expect(room.revoked).toEqual([]);
  });

  it('that another was faster with gives its lease back', async () => {
    const room = etcd(() => Promise.resolve({ succeeded: false, results: [found('another')] }));
    expect(await room.claim()).toBe(false);
    expect(room.revoked).toEqual([5n]);
  });

  it.each([
    ['its own, and won', (value: string) => value, true],
    ["another's, and lost", () => 'another', false],
  ])('whose answer was lost is read: %s', async (_, stored, won) => {
    const room = etcd((value) => {
      room.store(stored(value));
      return Promise.reject(lost);
    });
    expect(await room.claim()).toBe(won);
    expect(room.revoked).toEqual(won ? [] : [5n]);
  });

  it('that nobody can tell the outcome of is undone, however late it arrives: its lease is gone', async () => {
    const room = etcd(() => Promise.reject(lost));
    await expect(room.claim()).rejects.toBe(lost);
    expect(room.revoked).toEqual([5n]);
  });

  it('that fails gives its lease back', async () => {
    const away = new CoordUnavailableError('etcd is away');
    const room = etcd(() => Promise.reject(away));
    await expect(room.claim()).rejects.toBe(away);
    expect(room.revoked).toEqual([5n]);
  });

  it('refuses options that are none', () => {
    expect(() => resolveClaimOptions(null as unknown as object)).toThrow(ValidationError);
  });
});
