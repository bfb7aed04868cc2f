import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../lib/coord/etcd/coord-logger.js';
import type { EtcdClient } from '../../../lib/coord/etcd/etcd.client.js';
import type { Txn, TxnResult } from '../../../lib/coord/etcd/kv.js';
import { instant } from '../../../lib/coord/etcd/lease-deadline.js';
import { Session } from '../../../lib/coord/etcd/session.js';
import { EXCLUSIVE } from '../../../lib/coord/lock/admission.js';
import { Arrivals } from '../../../lib/coord/lock/arrivals.js';
import { Deadline } from '../../../lib/coord/lock/deadline.js';
import { Departures } from '../../../lib/coord/lock/departures.js';
import { QueueLayout } from '../../../lib/coord/lock/queue-layout.js';
import { enqueueTxn } from '../../../lib/coord/lock/queue-txn.js';
import { CoordUnavailableError } from '../../../lib/errors/coord-unavailable.error.js';
import { FakeClock } from '../../support/fake-clock.js';

const queue = '/locks/a/';

/** Arrivals and departures of one session, on an etcd that answers as it is told. */
function room(answers: ((txn: Txn) => TxnResult)[]) {
  const clock = new FakeClock();
  const session = new Session(7n, instant(clock), 30_000, clock);
  const layout = new QueueLayout('/locks');
  const client = {
    status: 'ready',
    sessions: () => ({ acquire: () => Promise.resolve(session) }),
    commit: (txn: Txn) => Promise.resolve(txn).then(answers.shift()),
  } as unknown as EtcdClient;
  const departures = new Departures({ client, logger: silentLogger, clock, layout }, (place) =>
    arrivals.gone(place),
  );
  const arrivals = new Arrivals({ client, clock, layout, departures });
  const enqueue = () =>
    arrivals.enqueue(
      { queues: [queue], admission: EXCLUSIVE, value: '', label: 'the lock "a"', ttl: 30_000 },
      new Deadline(5_000, undefined, clock),
      enqueueTxn,
    );
  return { enqueue, departures };
}

const taken = (revision: bigint) => (): TxnResult => ({ succeeded: true, revision, results: [] });
const failing = (error: Error) => (): TxnResult => {
  throw error;
};

describe('the slot of a place', () => {
  it('is used again once etcd has confirmed that its key is gone', async () => {
    const { enqueue, departures } = room([taken(1n), taken(2n), taken(3n)]);
    const first = await enqueue();
    await departures.leave(first!);
    const second = await enqueue();
    expect(second!.keys).toEqual(first!.keys);
  });

  it('is used again where nothing was sent', async () => {
    const unsent = new CoordUnavailableError('not sent');
    const { enqueue } = room([failing(unsent), taken(1n)]);
    await expect(enqueue()).rejects.toBe(unsent);
    expect((await enqueue())!.keys).toEqual(['/locks/a/7']);
  });

  it('is never used again after an attempt that was given up: what clears it away may come late, twice', async () => {
    const givenUp = new Error('the caller left');
    const { enqueue, departures } = room([failing(givenUp), taken(1n), taken(2n)]);
    await expect(enqueue()).rejects.toBe(givenUp);
    await departures.settled();
    expect((await enqueue())!.keys).toEqual(['/locks/a/7-1']);
  });
});
