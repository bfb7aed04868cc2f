import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../lib/coord/etcd/coord-logger.js';
import type { CommitOptions, EtcdClient } from '../../../lib/coord/etcd/etcd.client.js';
import type { KeyValue, OpResult, Txn, TxnResult } from '../../../lib/coord/etcd/kv.js';
import { instant } from '../../../lib/coord/etcd/lease-deadline.js';
import { Session } from '../../../lib/coord/etcd/session.js';
import { EXCLUSIVE } from '../../../lib/coord/lock/admission.js';
import { Arrivals } from '../../../lib/coord/lock/arrivals.js';
import { Deadline } from '../../../lib/coord/lock/deadline.js';
import { Departures } from '../../../lib/coord/lock/departures.js';
import { QueueLayout } from '../../../lib/coord/lock/queue-layout.js';
import { enqueueTxn, tryTxn } from '../../../lib/coord/lock/queue-txn.js';
import { ClosedError } from '../../../lib/errors/closed.error.js';
import { CoordUnavailableError } from '../../../lib/errors/coord-unavailable.error.js';
import { EtcdRefusedError } from '../../../lib/errors/etcd-refused.error.js';
import { LockTimeoutError } from '../../../lib/errors/lock-timeout.error.js';
import { OutcomeUnknownError } from '../../../lib/errors/outcome-unknown.error.js';
import { SessionLostError } from '../../../lib/errors/session-lost.error.js';
import { FakeClock } from '../../support/fake-clock.js';

const queue = '/locks/a/';
const EPOCH = '/locks//epoch/7';

interface Sent {
  readonly txn: Txn;
  readonly options: CommitOptions;
  answer(result: Partial<TxnResult>): void;
  fail(error: Error): void;
}

/** Arrivals and departures of one session, on an etcd that answers as it is told. */
function room() {
  const clock = new FakeClock();
  const session = new Session(7n, instant(clock), 30_000, clock);
  const layout = new QueueLayout('/locks');
  const sent: Sent[] = [];
  const client = {
    status: 'ready',
    sessions: () => ({
      live: session.isAlive() ? session : undefined,
      acquire: () => Promise.resolve(session),
    }),
    commit: (txn: Txn, options: CommitOptions) =>
      new Promise<TxnResult>((resolve, reject) => {
        const answer = (result: Partial<TxnResult>): void =>
          resolve({ succeeded: true, revision: 0n, results: [], ...result });
        sent.push({ txn, options, answer, fail: reject });
      }),
  } as unknown as EtcdClient;
  const departures = new Departures({ client, logger: silentLogger, clock }, (place) => arrivals.gone(place));
  const arrivals = new Arrivals({ client, clock, layout, departures });
  const enqueue = ({ signal, build = enqueueTxn }: { signal?: AbortSignal; build?: typeof tryTxn } = {}) =>
    arrivals.enqueue(
      { queues: [queue], admission: EXCLUSIVE, value: '', label: 'the lock "a"', ttl: 30_000 },
      new Deadline(10_000, signal, clock),
      build,
    );
  /** The next transaction, once it has been sent. */
  const next = async (): Promise<Sent> => {
    for (let turns = 0; sent.length === 0 && turns < 100; turns++) await turn();
    const first = sent.shift();
    if (!first) throw new Error('nothing was sent');
    return first;
  };
  return { clock, session, arrivals, departures, enqueue, next, sent };
}

const key = (kv: Partial<KeyValue>): OpResult => ({ kvs: [kv as KeyValue], count: 1, more: false });
const none: OpResult = { kvs: [], count: 0, more: false };
const keysOf = ({ txn }: Sent): string[] => txn.success.flatMap((op) => ('put' in op ? [op.put.key] : []));
const lost = new OutcomeUnknownError('the answer was lost');

describe('the slot of a place', () => {
  it('is used again once etcd has confirmed that its key is gone', async () => {
    const { enqueue, departures, next } = room();
    const first = enqueue();
    (await next()).answer({ revision: 1n });
    const left = departures.leave((await first)!);
    (await next()).answer({});
    await left;
    void enqueue();
    expect(keysOf(await next())).toEqual(['/locks/a/7']);
  });

  it('is used again where nothing was sent', async () => {
    const { enqueue, next } = room();
    const unsent = new CoordUnavailableError('not sent');
    const first = enqueue();
    (await next()).fail(unsent);
    await expect(first).rejects.toBe(unsent);
    void enqueue();
    expect(keysOf(await next())).toEqual(['/locks/a/7']);
  });

  it('is left alone for good where etcd refuses to clear its key', async () => {
    const { enqueue, departures, next } = room();
    const first = enqueue();
    (await next()).answer({ revision: 1n });
    void departures.leave((await first)!);
    const refused = new EtcdRefusedError('permission denied', 7);
    (await next()).fail(refused);
    (await next()).fail(refused);
    await departures.settled();
    void enqueue();
    expect(keysOf(await next())).toEqual(['/locks/a/7-1']);
  });

  it('is left alone where etcd finds it occupied', async () => {
    const { enqueue, next } = room();
    void enqueue();
    (await next()).answer({ succeeded: false, results: [none] });
    expect(keysOf(await next())).toEqual(['/locks/a/7-1']);
  });
});

/** What a signal may say, and what our own calls say too. */
const reasons = [
  new Error('the caller left'),
  new SessionLostError('the id 7 is lost'),
  new CoordUnavailableError('the database is away'),
  new OutcomeUnknownError('a write of the caller'),
  new EtcdRefusedError('etcdserver: lease not found', 5),
  new ClosedError('the shop is closed'),
];

describe.each(reasons)('an attempt whose caller leaves, saying %o', (reason) => {
  it('is not made when the caller has left before', async () => {
    const { enqueue, sent } = room();
    await expect(enqueue({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(sent).toEqual([]);
  });

  it('is given back when it turns out to have been taken, and its slot used again', async () => {
    const { arrivals, departures, enqueue, next } = room();
    const caller = new AbortController();
    const waiting = enqueue({ signal: caller.signal });
    const attempt = await next();
    caller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(attempt.options).toMatchObject({ abortUnsentOnly: true });
    attempt.answer({ revision: 5n });
    const given = await next();
    expect(given.txn).toEqual({
      compare: [{ key: '/locks/a/7', target: 'create', value: 5n }],
      success: [{ delete: { key: '/locks/a/7' } }],
    });
    given.answer({});
    await departures.settled();
    expect(arrivals.places.size).toBe(0);
    void enqueue();
    expect(keysOf(await next())).toEqual(['/locks/a/7']);
  });

  it('leaves nothing to do when it was not sent', async () => {
    const { arrivals, departures, enqueue, next, sent } = room();
    const caller = new AbortController();
    const waiting = enqueue({ signal: caller.signal });
    const attempt = await next();
    caller.abort(reason);
    // As the commit queue does with what it has not sent.
    attempt.fail(attempt.options.signal!.reason as Error);
    await expect(waiting).rejects.toBe(reason);
    await departures.settled();
    expect(arrivals.places.size).toBe(0);
    expect(sent).toEqual([]);
  });
});

describe('an attempt whose answer was lost', () => {
  it('is found by a second transaction, which voids what was sent before', async () => {
    const { enqueue, next } = room();
    const waiting = enqueue();
    (await next()).fail(lost);
    const settling = await next();
    expect(settling.txn.compare).toEqual([{ key: EPOCH, target: 'mod', value: 0n }]);
    expect(keysOf(settling)).toEqual([EPOCH]);
    settling.answer({ revision: 9n, results: [none, key({ createRevision: 4n }), none] });
    expect((await waiting)!.revision).toBe(4n);
  });

  it('is made anew, in the next epoch and in the same slot, where it had taken nothing', async () => {
    const { enqueue, next } = room();
    const waiting = enqueue();
    (await next()).fail(lost);
    (await next()).answer({ revision: 9n, results: [none, none, none] });
    const again = await next();
    expect(keysOf(again)).toEqual(['/locks/a/7']);
    expect(again.txn.compare![0]).toEqual({ key: EPOCH, target: 'mod', value: 9n });
    again.answer({ revision: 10n });
    expect((await waiting)!.revision).toBe(10n);
  });

  it('is no answer to a try: it is made anew', async () => {
    const { enqueue, next } = room();
    const trying = enqueue({ build: tryTxn });
    (await next()).fail(lost);
    (await next()).answer({ succeeded: false, results: [key({ modRevision: 8n }), none, none] });
    (await next()).answer({ succeeded: false, results: [key({ modRevision: 8n })] });
    expect(await trying).toBeNull();
  });

  it('is settled behind the scenes when that is not answered either, and the caller goes on with another', async () => {
    const { clock, departures, enqueue, next } = room();
    const waiting = enqueue();
    const first = await next();
    clock.freeze(2_000);
    first.fail(lost);
    const settling = await next();
    clock.freeze(4_000);
    settling.fail(lost);
    const [one, other] = [await next(), await next()];
    const [settlement, attempt] = keysOf(one)[0] === EPOCH ? [one, other] : [other, one];
    expect(keysOf(attempt)).toEqual(['/locks/a/7-1']);
    settlement.answer({ revision: 9n, results: [none, key({ createRevision: 4n }), none] });
    const left = await next();
    expect(left.txn.compare).toEqual([{ key: '/locks/a/7', target: 'create', value: 4n }]);
    left.answer({});
    await departures.settled();
    // Had it waited to be sent until now, it would be sent in the epoch that there is now.
    expect(attempt.txn.compare![0]).toEqual({ key: EPOCH, target: 'mod', value: 9n });
    attempt.answer({ revision: 11n });
    expect((await waiting)!.revision).toBe(11n);
  });
});

describe('an attempt of an epoch that is over', () => {
  it.each([enqueueTxn, tryTxn])('is made anew in the one that etcd tells (%o)', async (build) => {
    const { enqueue, next } = room();
    const waiting = enqueue({ build });
    (await next()).answer({ succeeded: false, results: [key({ modRevision: 8n })] });
    const again = await next();
    expect(again.txn.compare![0]).toEqual({ key: EPOCH, target: 'mod', value: 8n });
    again.answer({ revision: 12n });
    expect((await waiting)!.revision).toBe(12n);
  });
});

describe('a caller', () => {
  it('whose time is over is told so, and the attempt goes on to its end', async () => {
    const { clock, arrivals, departures, enqueue, next } = room();
    const waiting = enqueue();
    const attempt = await next();
    // What is left is less than an attempt may take, so the next is waited for by the clock.
    clock.freeze(5_000);
    attempt.answer({ succeeded: false, results: [key({ modRevision: 8n })] });
    const second = await next();
    clock.advance(5_000);
    await expect(waiting).rejects.toBeInstanceOf(LockTimeoutError);
    second.answer({ revision: 13n });
    (await next()).answer({});
    await departures.settled();
    expect(arrivals.places.size).toBe(0);
  });

  it('whose session is lost again and again is told when its time is over', async () => {
    const { clock, enqueue, next } = room();
    const waiting = enqueue();
    for (let attempts = 0; attempts < 4; attempts++) {
      const attempt = await next();
      clock.freeze(2_500);
      attempt.fail(new SessionLostError('lost'));
    }
    await expect(waiting).rejects.toBeInstanceOf(LockTimeoutError);
  });
});
