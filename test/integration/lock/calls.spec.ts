import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EtcdProcess, FaultProxy } from '../../../lib/testing/index.js';
import { costInCalls, countedCalls } from '../../support/etcd-calls.js';
import { until } from '../../support/until.js';
import { etcdKinds } from '../etcd-kinds.js';
import { LockRoom } from './lock-room.js';

describe.runIf((await etcdKinds()).includes('binary'))('what locks ask of etcd', () => {
  let etcd: EtcdProcess;
  let a: LockRoom;
  let b: LockRoom;
  beforeAll(async () => {
    etcd = await EtcdProcess.start();
    a = new LockRoom([etcd.endpoint]);
    b = new LockRoom([etcd.endpoint]);
    for (const { locks } of [a, b]) await (await locks.acquire('warm-up')).release();
    // The sentinel of each session is written behind the scenes; then it is listed, to be watched.
    await until(async () => (await a.keys('/im-infra/sessions/')).length === 2);
    await quiet();
  });
  afterAll(async () => {
    await Promise.all([a.close(), b.close()]);
    await etcd.stop();
  });

  /** Nothing has come for a while: what began behind the scenes has come to its end. */
  const quiet = async (): Promise<void> => {
    let before = '';
    await until(async () => {
      await sleep(200);
      const now = JSON.stringify(await countedCalls(etcd));
      const same = now === before;
      before = now;
      return same;
    });
  };
  const cost = (work: () => Promise<unknown>) => costInCalls(etcd, work);

  it('is two calls for a free lock, taken and given back, and one for a try that fails', async () => {
    expect(await cost(async () => (await a.locks.acquire('free')).release())).toEqual({ Txn: 2 });
    expect(await cost(async () => (await a.locks.acquire(['x', 'y', 'z'])).release())).toEqual({ Txn: 2 });
    const held = await a.locks.acquire('held');
    expect(await cost(() => b.locks.tryAcquire('held'))).toEqual({ Txn: 1 });
    await held.release();
  });

  it('is no call at a hand-over: two a turn, and one list for all that wait in a process', async () => {
    const turns = { each: 25, tasks: 4 };
    const spent = await cost(() =>
      Promise.all(
        [a, b].flatMap(({ locks }) =>
          Array.from({ length: turns.tasks }, async () => {
            for (let turn = 0; turn < turns.each; turn++) await locks.using('contended', {}, () => undefined);
          }),
        ),
      ),
    );
    // What is ready together may travel together, so it can be less.
    const { Txn = 0, ...others } = spent;
    expect(Txn).toBeLessThanOrEqual(2 * 2 * turns.tasks * turns.each);
    // The list that each process begins its watch with; the watches share the stream that is open already.
    expect(others).toEqual({ Range: 2 });
  });

  it('is settled by reading where the answer to an acquisition was lost', async () => {
    await using proxy = await FaultProxy.start({ target: etcd.endpoint });
    await using room = new LockRoom([proxy.endpoint]);
    await (await room.locks.acquire('warm-up')).release();
    proxy.stallAtFrame({ direction: 'server', path: '/etcdserverpb.KV/Txn' });
    const acquiring = room.locks.acquire('unanswered', { timeout: '20s' });
    // etcd has taken the place; nobody was told.
    await until(async () => (await a.keys('/locks/unanswered/')).length === 1);
    const [taken] = await a.keys('/locks/unanswered/');
    const lock = await acquiring;
    expect(lock.isHeld()).toBe(true);
    expect(await a.keys('/locks/unanswered/')).toEqual([taken]);
    expect(await b.locks.tryAcquire('unanswered')).toBeNull();
    await lock.release();
    expect(await a.keys('/locks/unanswered/')).toEqual([]);
  });
});
