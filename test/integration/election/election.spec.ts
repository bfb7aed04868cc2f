import { setTimeout as sleep } from 'node:timers/promises';
import { firstValueFrom, take, toArray } from 'rxjs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EtcdClient } from '../../../lib/coord/etcd/etcd.client.js';
import type { Leader } from '../../../lib/coord/election/leader-watch.js';
import { ElectionService } from '../../../lib/coord/election/election.service.js';
import { prefixRange } from '../../../lib/coord/etcd/kv.js';
import { ClosedError } from '../../../lib/errors/closed.error.js';
import { LockLostError } from '../../../lib/errors/lock-lost.error.js';
import { LockTimeoutError } from '../../../lib/errors/lock-timeout.error.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { costInCalls } from '../../support/etcd-calls.js';
import { collectLog } from '../../support/open-client.js';
import { until } from '../../support/until.js';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';
import { roomContext } from '../lock/lock-room.js';

/** One candidate process. */
class Candidate implements AsyncDisposable {
  readonly context;
  readonly election: ElectionService;

  constructor(endpoints: readonly string[]) {
    this.context = { ...roomContext(endpoints), logger: collectLog() };
    this.election = new ElectionService(this.context);
  }

  get client(): EtcdClient {
    return this.context.client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.election.close();
    await this.client.close();
  }
}

describe.each(await etcdKinds())('elections on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let a: Candidate;
  let b: Candidate;
  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
  });
  afterAll(() => etcd.stop());
  beforeEach(async () => {
    a = new Candidate(etcd.endpoints);
    b = new Candidate(etcd.endpoints);
    await Promise.all([a.client.ready(), b.client.ready()]);
  });
  afterEach(() => Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()]));

  const candidates = async (name: string): Promise<number> =>
    (await a.client.range({ ...prefixRange(`/elections/${name}/`), countOnly: true })).count;

  it('have one leader, and the next takes over when it resigns', async () => {
    const first = await a.election.campaign('reports', { value: 'host-a' });
    expect(first.isLeader()).toBe(true);
    const waiting = b.election.campaign('reports', { value: 'host-b' });
    await until(async () => (await candidates('reports')) === 2);
    await first.resign();
    const second = await waiting;
    expect(first.isLeader()).toBe(false);
    expect(second.isLeader()).toBe(true);
    expect(second.fencingToken).toBeGreaterThan(first.fencingToken);
    await second.resign();
  });

  it('show the leader to everybody: the current one first, then each change, never two', async () => {
    const seen: (Leader | null)[] = [];
    const subscription = b.election.leader$('shown').subscribe((leader) => seen.push(leader));
    await until(() => seen.length === 1);
    const first = await a.election.campaign('shown', { value: 'one' });
    await until(() => seen.length === 2);
    const waiting = b.election.campaign('shown', { value: 'two' });
    await until(async () => (await candidates('shown')) === 2);
    await first.resign();
    const second = await waiting;
    await until(() => seen.length === 3);
    await second.resign();
    await until(() => seen.length === 4);
    expect(seen).toEqual([
      null,
      { value: 'one', token: first.fencingToken },
      { value: 'two', token: second.fencingToken },
      null,
    ]);
    subscription.unsubscribe();
  });

  it('replay the leader to a late subscriber, and complete when the service is closed', async () => {
    const leader = await a.election.campaign('late', { value: 'v' });
    const all = firstValueFrom(b.election.leader$('late').pipe(toArray()));
    const one = await firstValueFrom(b.election.leader$('late').pipe(take(1)));
    expect(one).toEqual({ value: 'v', token: leader.fencingToken });
    await b.election.close();
    expect(await all).toEqual([one]);
  });

  it('tell a leader that lost its session, before anybody else can lead', async () => {
    const leader = await a.election.campaign('lost');
    const { signal } = leader;
    (await a.client.sessions(15_000).acquire()).lose('its lease was revoked');
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toBeInstanceOf(LockLostError);
    expect(leader.isLeader()).toBe(false);
    expect(() => leader.assertLeader()).toThrow(LockLostError);
    await leader.resign();
    await (await b.election.campaign('lost', { timeout: '10s' })).resign();
  });

  it('may be waited for with a limit, a signal, and until the service is closed', async () => {
    const leader = await a.election.campaign('limits');
    await expect(b.election.campaign('limits', { timeout: 100 })).rejects.toBeInstanceOf(LockTimeoutError);
    const reason = new Error('enough');
    const abort = new AbortController();
    const waiting = b.election.campaign('limits', { signal: abort.signal });
    await until(async () => (await candidates('limits')) === 2);
    abort.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    const closing = expect(b.election.campaign('limits')).rejects.toBeInstanceOf(ClosedError);
    await until(async () => (await candidates('limits')) === 2);
    await b.election.close();
    await closing;
    expect(await candidates('limits')).toBe(1);
    await leader.resign();
  });

  it('refuse wrong arguments', async () => {
    await expect(a.election.campaign('')).rejects.toBeInstanceOf(ValidationError);
    await expect(a.election.campaign('x', { value: 7 as unknown as string })).rejects.toBeInstanceOf(
      ValidationError,
    );
    expect(() => a.election.leader$('a//b')).toThrow(ValidationError);
  });

  it('as a standing candidacy are won again after a loss', async () => {
    const mine = a.election.candidacy('standing');
    expect(a.election.candidacy('standing')).toBe(mine);
    await until(() => mine.leadership !== undefined);
    const { fencingToken } = mine.leadership!;
    (await a.client.sessions(15_000).acquire()).lose('its lease was revoked');
    expect(mine.leadership).toBeUndefined();
    await until(() => mine.leadership !== undefined);
    expect(mine.leadership!.fencingToken).toBeGreaterThan(fencingToken);
  });

  it('as a standing candidacy are handed over at the end by one write, which the next leads from', async () => {
    const mine = a.election.candidacy('ending');
    await until(() => mine.leadership !== undefined);
    const theirs = b.election.candidacy('ending');
    await until(async () => (await candidates('ending')) === 2);
    const handOver = async (): Promise<void> => {
      await a.election.resignAll();
      await until(() => theirs.leadership !== undefined);
    };
    const revision = async () => (await a.client.range({ key: '/nothing' })).revision;
    // The sentinel of each session is written behind the scenes, and then listed, to be watched.
    let before = 0n;
    await until(async () => {
      const last = before;
      await sleep(300);
      return (before = await revision()) === last;
    });
    if (!etcd.process) await handOver();
    // The successor asks for nothing: what it waits for is the event of that write.
    else expect(await costInCalls(etcd.process, handOver)).toEqual({ Txn: 1 });
    expect(await revision()).toBe(before + 1n);
  });

  it('as a standing candidacy are not stood for any more after the end, and nothing is said of it', async () => {
    const { context, election } = a;
    await election.close();
    const late = election.candidacy('late');
    await sleep(300);
    expect(late.leadership).toBeUndefined();
    expect(context.logger.lines.filter(({ level }) => level === 'warn')).toEqual([]);
    const resigned = b.election.candidacy('resigned');
    await until(() => resigned.leadership !== undefined);
    await b.election.resignAll();
    expect(b.election.candidacy('resigned-too').leadership).toBeUndefined();
    await sleep(300);
    expect(await b.client.range({ ...prefixRange('/elections/resigned'), countOnly: true })).toMatchObject({
      count: 0,
    });
  });

  it('outlive a subscriber that throws, and tell the others', async () => {
    const seen: (string | undefined)[] = [];
    const { logger } = b.context;
    const broken = b.election.leader$('thrown').subscribe(() => {
      throw new Error('a handler threw');
    });
    const sound = b.election.leader$('thrown').subscribe((leader) => seen.push(leader?.value));
    await until(() => seen.length === 1);
    const leader = await a.election.campaign('thrown', { value: 'v' });
    await until(() => seen.length === 2);
    expect(seen).toEqual([undefined, 'v']);
    expect(logger.lines.filter(({ message }) => /subscriber to the leader threw/.test(message))).toHaveLength(
      2,
    );
    broken.unsubscribe();
    sound.unsubscribe();
    await leader.resign();
  });
});
