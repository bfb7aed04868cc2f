import { beforeEach, describe, expect, it } from 'vitest';
import type { EtcdClient } from '../../../lib/coord/etcd/etcd.client.js';
import type { Txn, TxnResult } from '../../../lib/coord/etcd/kv.js';
import { instant } from '../../../lib/coord/etcd/lease-deadline.js';
import { Session } from '../../../lib/coord/etcd/session.js';
import { PublishedKey } from '../../../lib/coord/registry/published-key.js';
import { FakeClock } from '../../support/fake-clock.js';

describe('a published key with two writes on their way', () => {
  let answers: (() => void)[];
  let asked: Txn[];
  let key: PublishedKey;
  let sessions: readonly [Session, Session];
  beforeEach(() => {
    const clock = new FakeClock();
    answers = [];
    asked = [];
    const commit = (txn: Txn) =>
      new Promise<TxnResult>((resolve) => {
        const revision = BigInt(asked.push(txn));
        answers.push(() => resolve({ succeeded: true, revision, results: [] }));
      });
    const client = { commit } as unknown as EtcdClient;
    key = new PublishedKey({ id: 'i', name: 'n', address: 'a', port: 1 }, { client, clock, key: '/k' });
    const sessionOf = (lease: bigint) => new Session(lease, instant(clock), 30_000, clock);
    sessions = [sessionOf(1n), sessionOf(2n)];
  });

  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const leases = () => asked.map(({ compare = [] }) => compare.map(({ value }) => value)[0]);

  it('hangs on the session of the later one, in whichever order they are answered', async () => {
    const puts = sessions.map((session) => key.put(session, {}));
    answers[1]!();
    await puts[1];
    answers[0]!();
    await puts[0];
    expect(key.session).toBe(sessions[1]);
    expect(key.revision).toBe(2n);
    void key.remove({}, () => false);
    await settled();
    expect(leases().slice(2)).toEqual([2n]);
  });

  it('is left alone once it is superseded, on every session that it may hang on', async () => {
    void key.put(sessions[0], {});
    void key.put(sessions[1], {});
    let superseded = false;
    void key.remove({}, () => superseded);
    await settled();
    superseded = true;
    answers[2]!();
    await settled();
    answers[3]!();
    await settled();
    expect(leases().slice(2)).toEqual([1n, 1n]);
  });
});
