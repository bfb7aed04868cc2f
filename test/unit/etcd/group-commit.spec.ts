import { beforeEach, describe, expect, it } from 'vitest';
import { GroupCommit } from '../../../lib/coord/etcd/group-commit.js';
import type { Txn } from '../../../lib/coord/etcd/kv.js';
import { instant } from '../../../lib/coord/etcd/lease-deadline.js';
import { Session } from '../../../lib/coord/etcd/session.js';
import { CoordUnavailableError } from '../../../lib/errors/coord-unavailable.error.js';
import { EtcdRefusedError } from '../../../lib/errors/etcd-refused.error.js';
import { OutcomeUnknownError } from '../../../lib/errors/outcome-unknown.error.js';
import { SessionLostError } from '../../../lib/errors/session-lost.error.js';
import { FakeClock } from '../../support/fake-clock.js';

interface Sent {
  readonly keys: string[];
  readonly idempotent: boolean | undefined;
  answer(): void;
  fail(error: unknown): void;
  /** The attempt did not run; the next one is waited for. */
  notRun(): void;
}

const put = (key: string, value: string | Buffer = ''): Txn => ({ success: [{ put: { key, value } }] });
const settled = () => new Promise((resolve) => setImmediate(resolve));

function keysOf(txns: readonly Txn[]): string[] {
  return txns.flatMap(({ success }) => success.map((op) => ('put' in op ? op.put.key : '')));
}

const DONE = { succeeded: true, revision: 7n, results: [{ kvs: [], count: 0, more: false }] };

describe('group commit', () => {
  let clock: FakeClock;
  let sent: Sent[];
  let group: GroupCommit;
  let connected: boolean;
  let connect: (() => void)[];
  beforeEach(() => {
    clock = new FakeClock();
    sent = [];
    connected = true;
    connect = [];
    group = new GroupCommit(
      async (batch) => {
        if (!connected) await new Promise<void>((resolve) => connect.push(resolve));
        const txns = batch.send();
        return new Promise((resolve, reject) => {
          sent.push({
            keys: keysOf(txns),
            idempotent: batch.idempotent,
            answer: () => resolve(txns.map(() => DONE)),
            fail: reject,
            notRun: () => batch.notRun(),
          });
        });
      },
      clock,
      5_000,
    );
  });

  const batches = () => sent.map(({ keys }) => keys);

  it('sends what one tick writes as one transaction, each with its own outcome', async () => {
    const results = Promise.all([group.commit(put('a')), group.commit(put('b'))]);
    await settled();
    expect(batches()).toEqual([['a', 'b']]);
    sent[0]!.answer();
    expect((await results).map(({ revision, succeeded }) => [revision, succeeded])).toEqual([
      [7n, true],
      [7n, true],
    ]);
  });

  it('gathers while a batch is on its way, and keeps the order', async () => {
    const results = [group.commit(put('a'))];
    await settled();
    results.push(group.commit(put('b')), group.commit(put('c'), { unordered: true }), group.commit(put('d')));
    await settled();
    expect(batches()).toEqual([['a'], ['c']]);
    sent[0]!.answer();
    await settled();
    expect(batches()).toEqual([['a'], ['c'], ['b', 'd']]);
    sent[1]!.answer();
    sent[2]!.answer();
    await Promise.all(results);
  });

  it('lets those overtake who need no order, but for those that touch the same', async () => {
    const unordered = { unordered: true };
    const both: Txn = { success: [...put('a').success, ...put('b').success] };
    const results = [group.commit(put('a'), unordered)];
    await settled();
    results.push(
      group.commit(both, unordered),
      group.commit(put('b'), unordered),
      group.commit(put('c'), unordered),
    );
    await settled();
    expect(batches()).toEqual([['a'], ['c']]);
    sent[0]!.answer();
    await settled();
    expect(batches()).toEqual([['a'], ['c'], ['a', 'b']]);
    sent[1]!.answer();
    sent[2]!.answer();
    await settled();
    expect(batches().slice(3)).toEqual([['b']]);
    sent[3]!.answer();
    await Promise.all(results);
  });

  it('has two batches on their way at most', async () => {
    const results = [];
    for (const key of ['a', 'b', 'c', 'd']) {
      results.push(group.commit(put(key), { unordered: true }));
      await settled();
    }
    expect(batches()).toEqual([['a'], ['b']]);
    sent[1]!.answer();
    await settled();
    expect(batches()).toEqual([['a'], ['b'], ['c', 'd']]);
    sent[0]!.answer();
    sent[2]!.answer();
    await Promise.all(results);
  });

  it('never sends what its caller was told was not written', async () => {
    connected = false;
    const hasty = group.commit(put('hasty'), { timeout: 1_000 });
    const patient = group.commit(put('patient'));
    await settled();
    clock.advance(1_000);
    await expect(hasty).rejects.toBeInstanceOf(CoordUnavailableError);
    connect[0]!();
    await settled();
    expect(batches()).toEqual([['patient']]);
    sent[0]!.answer();
    await expect(patient).resolves.toMatchObject({ succeeded: true });
  });

  it('does not send for a session that ended while the connection was away', async () => {
    connected = false;
    const session = new Session(1n, instant(clock), 3_000, clock);
    const guarded = expect(group.commit(put('guarded'), { session })).rejects.toBeInstanceOf(
      SessionLostError,
    );
    const free = group.commit(put('free'));
    await settled();
    clock.advance(3_000);
    connect[0]!();
    await settled();
    expect(batches()).toEqual([['free']]);
    sent[0]!.answer();
    await guarded;
    await free;
  });

  it('writes nothing for a batch in which everybody has given up, and goes on', async () => {
    connected = false;
    const hasty = group.commit(put('a'), { timeout: 1_000 });
    await settled();
    clock.advance(1_000);
    await expect(hasty).rejects.toBeInstanceOf(CoordUnavailableError);
    const next = group.commit(put('a'));
    connected = true;
    connect[0]!();
    await settled();
    sent[0]!.answer();
    await settled();
    expect(batches()).toEqual([[], ['a']]);
    sent[1]!.answer();
    await expect(next).resolves.toMatchObject({ succeeded: true });
  });

  it('splits at 128 operations', async () => {
    const results = Array.from({ length: 200 }, (_, index) => group.commit(put(String(index))));
    await settled();
    expect(sent[0]!.keys).toHaveLength(127);
    sent[0]!.answer();
    await settled();
    expect(sent[1]!.keys).toHaveLength(73);
    sent[1]!.answer();
    await Promise.all(results);
  });

  it('splits before etcd would refuse the size', async () => {
    const large = Buffer.alloc(600 * 1024);
    const results = ['a', 'b', 'c'].map((key) => group.commit(put(key, large)));
    await settled();
    expect(batches()).toEqual([['a', 'b']]);
    sent[0]!.answer();
    await settled();
    sent[1]!.answer();
    await Promise.all(results);
  });

  it('counts what is compared with as well', async () => {
    const value = 'x'.repeat(600 * 1024);
    const results = ['a', 'b', 'c'].map((key) =>
      group.commit({ ...put(key), compare: [{ key, target: 'value', value }] }),
    );
    await settled();
    expect(batches()).toEqual([['a', 'b']]);
    sent[0]!.answer();
    await settled();
    sent[1]!.answer();
    await Promise.all(results);
  });

  it('leaves a revision to be decided until it is sent', async () => {
    let asked = 0;
    const late = {
      key: 'epoch',
      target: 'mod' as const,
      get value() {
        asked++;
        return 0n;
      },
    };
    const results = ['a', 'b', 'c'].map((key) => group.commit({ ...put(key), compare: [late] }));
    await settled();
    expect(batches()).toEqual([['a', 'b', 'c']]);
    expect(asked).toBe(0);
    sent[0]!.answer();
    await Promise.all(results);
  });

  it('lets nobody fail for a neighbour: a refused batch is sent again one by one', async () => {
    const results = Promise.allSettled(['a', 'bad', 'c'].map((key) => group.commit(put(key))));
    await settled();
    sent[0]!.fail(new EtcdRefusedError('etcdserver: requested lease not found', 5));
    await settled();
    sent[1]!.answer();
    await settled();
    sent[2]!.fail(new EtcdRefusedError('etcdserver: requested lease not found', 5));
    await settled();
    sent[3]!.answer();
    expect((await results).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(batches().slice(1)).toEqual([['a'], ['bad'], ['c']]);
  });

  it('keeps apart what may be repeated and what may not', async () => {
    const results = [group.commit(put('a'), { idempotent: true }), group.commit(put('b'))];
    await settled();
    expect(sent[0]).toMatchObject({ keys: ['a'], idempotent: true });
    sent[0]!.answer();
    await settled();
    expect(sent[1]).toMatchObject({ keys: ['b'], idempotent: false });
    sent[1]!.answer();
    await Promise.all(results);
  });

  it('does not send what was cancelled while it waited, and its neighbours go on', async () => {
    const first = group.commit(put('a'));
    await settled();
    const abort = new AbortController();
    const cancelled = group.commit(put('b'), { signal: abort.signal });
    const neighbour = group.commit(put('c'));
    abort.abort(new Error('enough'));
    await expect(cancelled).rejects.toThrow('enough');
    sent[0]!.answer();
    await settled();
    expect(batches()).toEqual([['a'], ['c']]);
    sent[1]!.answer();
    await Promise.all([first, neighbour]);
  });

  it('does not send for a session that ended while the write waited', async () => {
    const session = new Session(1n, instant(clock), 5_000, clock);
    const first = group.commit(put('a'));
    await settled();
    const guarded = group.commit(put('b'), { session });
    clock.freeze(5_000);
    sent[0]!.answer();
    await expect(guarded).rejects.toBeInstanceOf(SessionLostError);
    expect(batches()).toEqual([['a']]);
    await first;
  });

  it('says in time whether a write was never sent or has an unknown outcome', async () => {
    const first = group.commit(put('a'));
    await settled();
    const waiting = group.commit(put('b'), { timeout: 1_000 });
    clock.advance(1_000);
    await expect(waiting).rejects.toBeInstanceOf(CoordUnavailableError);
    clock.advance(4_000);
    await expect(first).rejects.toBeInstanceOf(OutcomeUnknownError);
    expect(clock.pending).toBe(0);
  });

  it('holds the process for a write that waits for ever, and for its neighbours', async () => {
    connected = false;
    const both = [group.commit(put('a'), { timeout: Infinity }), group.commit(put('b'))];
    await settled();
    expect(clock.holding).toBe(true);
    connect[0]!();
    await settled();
    sent[0]!.answer();
    await Promise.all(both);
    expect(clock.holding).toBe(false);
  });

  it('keeps the time of what is on its way when it is closed', async () => {
    const results = [group.commit(put('a'), { timeout: 1_000 }), group.commit(put('b'))];
    await settled();
    group.close();
    clock.advance(1_000);
    await expect(results[0]).rejects.toBeInstanceOf(OutcomeUnknownError);
    sent[0]!.answer();
    await results[1];
  });

  it('knows that a write which still waits for a connection was not sent', async () => {
    connected = false;
    const waiting = group.commit(put('a'));
    await settled();
    clock.advance(5_000);
    await expect(waiting).rejects.toBeInstanceOf(CoordUnavailableError);
  });

  it('knows that a write was not written whose every attempt provably did not run', async () => {
    const waiting = group.commit(put('a'));
    await settled();
    sent[0]!.notRun();
    clock.advance(5_000);
    await expect(waiting).rejects.toBeInstanceOf(CoordUnavailableError);
  });

  it('knows that a write was not written that waits again since its batch was refused', async () => {
    const results = Promise.allSettled(['a', 'b'].map((key) => group.commit(put(key))));
    await settled();
    sent[0]!.fail(new EtcdRefusedError('etcdserver: requested lease not found', 5));
    await settled();
    expect(batches().slice(1)).toEqual([['a']]);
    clock.advance(5_000);
    expect((await results).map((result) => (result as PromiseRejectedResult).reason)).toEqual([
      expect.any(OutcomeUnknownError),
      expect.any(CoordUnavailableError),
    ]);
  });

  it('rejects what waits when it is closed', async () => {
    const first = group.commit(put('a'));
    await settled();
    const waiting = group.commit(put('b'));
    group.close();
    await expect(waiting).rejects.toThrow('closed');
    await expect(group.commit(put('c'))).rejects.toThrow('closed');
    sent[0]!.answer();
    await expect(first).resolves.toMatchObject({ succeeded: true });
  });

  it('ends a write by its signal at any time, or, where its caller has to know, only until it is sent', async () => {
    const caller = new AbortController();
    const reason = new Error('the caller left');
    const { signal } = caller;
    const impatient = expect(group.commit(put('a'), { signal })).rejects.toBe(reason);
    const patient = group.commit(put('b'), { signal, abortUnsentOnly: true, unordered: true });
    await settled();
    connected = false;
    const unsent = expect(group.commit(put('c'), { signal, abortUnsentOnly: true })).rejects.toBe(reason);
    caller.abort(reason);
    await impatient;
    await unsent;
    for (const each of sent) each.answer();
    expect((await patient).succeeded).toBe(true);
    expect(sent.flatMap(({ keys }) => keys)).not.toContain('c');
  });

  it('tells nobody that a write is not sent which goes out that very moment', async () => {
    const caller = new AbortController();
    let asked = 0;
    // The last look at one session has the neighbour's caller leave.
    const session = { isAlive: () => (++asked > 1 && caller.abort(), true) } as unknown as Session;
    connected = false;
    const first = group.commit(put('a'), { signal: caller.signal, abortUnsentOnly: true });
    const second = group.commit(put('b'), { session });
    await settled();
    for (const go of connect) go();
    await settled();
    expect(caller.signal.aborted).toBe(true);
    expect(sent.map(({ keys }) => keys)).toEqual([['a', 'b']]);
    sent[0]!.answer();
    expect((await Promise.all([first, second])).map(({ succeeded }) => succeeded)).toEqual([true, true]);
  });

  it('does not send again for a signal that ended while the attempt was on its way, and did not run', async () => {
    const caller = new AbortController();
    const reason = new Error('the caller left');
    const left = group.commit(put('a'), { signal: caller.signal, abortUnsentOnly: true });
    const patient = group.commit(put('b'));
    await settled();
    caller.abort(reason);
    sent[0]!.notRun();
    await expect(left).rejects.toBe(reason);
    sent[0]!.answer();
    await expect(patient).resolves.toMatchObject({ succeeded: true });
  });
});
