import { Etcd3 } from 'etcd3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EtcdClient } from '../../../lib/coord/etcd/etcd.client.js';
import type { Session } from '../../../lib/coord/etcd/session.js';
import { ClosedError } from '../../../lib/errors/closed.error.js';
import { CoordUnavailableError } from '../../../lib/errors/coord-unavailable.error.js';
import { SessionLostError } from '../../../lib/errors/session-lost.error.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { FaultProxy } from '../../../lib/testing/index.js';
import { openClient } from '../../support/open-client.js';
import { sentinelOf } from '../../support/sentinel-of.js';
import { until } from '../../support/until.js';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';

describe.each(await etcdKinds())('a session on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let raw: Etcd3;
  let client: EtcdClient;
  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
    raw = new Etcd3({ hosts: etcd.endpoints });
  });
  afterAll(async () => {
    raw.close();
    await etcd.stop();
  });
  beforeEach(async () => {
    client = openClient(etcd.endpoints);
    await client.ready();
  });
  afterEach(() => client.close());

  const exists = async (key: string) => (await client.range({ key })).count === 1;
  const revoke = ({ leaseId }: Session) => raw.leaseClient.leaseRevoke({ ID: leaseId.toString() });

  it('is one lease, shared by all who ask for the same TTL', async () => {
    const [a, b, other] = await Promise.all([
      client.sessions(5_000).acquire(),
      client.sessions(4_500).acquire(),
      client.sessions(9_000).acquire(),
    ]);
    expect(a).toBe(b);
    expect(a.leaseId).not.toBe(other.leaseId);
    expect(a.ttl).toBe(5_000);
    expect(a.remaining()).toBeGreaterThan(4_000);
    expect(a.remaining()).toBeLessThanOrEqual(4_750);
  });

  it('is renewed with all others on one stream, while its mirrors share another', async () => {
    const proxy = await FaultProxy.start({ target: etcd.endpoints[0]! });
    const many = openClient([proxy.endpoint]);
    const sessions = await Promise.all([5, 6, 7, 8, 9].map((ttl) => many.sessions(ttl * 1_000).acquire()));
    // Each is renewed at a third of its TTL: then more is left than just before.
    for (const session of sessions) {
      let left = session.remaining();
      await until(
        () => {
          const before = left;
          left = session.remaining();
          return left > before;
        },
        { what: 'a renewal' },
      );
    }
    const streams = (method: string) =>
      proxy.connections.flatMap(({ paths }) => paths).filter((path) => path.endsWith(method)).length;
    expect(sessions.every((session) => session.isAlive())).toBe(true);
    expect([streams('/LeaseKeepAlive'), streams('/Watch'), proxy.accepted]).toEqual([1, 1, 1]);
    await many.close();
    await proxy.close();
  });

  it('lives on for as long as it is renewed', async () => {
    const session = await client.sessions(4_000).acquire();
    await new Promise((resolve) => setTimeout(resolve, 8_500));
    expect(session.isAlive()).toBe(true);
    const { TTL } = await raw.leaseClient.leaseTimeToLive({ ID: session.leaseId.toString() });
    expect(Number(TTL)).toBeGreaterThan(0);
  });

  it('notices within a second that an operator revoked it, is replaced, and its keys are put back', async () => {
    const keeper = client.sessions(10_000);
    const seen: Session[] = [];
    keeper.onSession(async (session) => {
      seen.push(session);
      await client.commit(
        { success: [{ put: { key: 'put-back', value: '', lease: session.leaseId } }] },
        { session },
      );
    });
    const session = await keeper.acquire();
    await sentinelOf(client, session);
    await until(() => exists('put-back'));
    await new Promise((resolve) => setTimeout(resolve, 150));
    const revoked = performance.now();
    await revoke(session);
    await until(() => session.signal.aborted, { timeout: 1_000, what: 'the signal' });
    expect(performance.now() - revoked).toBeLessThan(1_000);
    expect(session.signal.reason).toBeInstanceOf(SessionLostError);
    await until(() => seen.length === 2, { timeout: 2_000, what: 'the next session' });
    await until(() => exists('put-back'), { timeout: 2_000, what: 'the key under the new lease' });
    expect((await keeper.acquire()).leaseId).toBe(seen[1]!.leaseId);
  });

  it('sends nothing for a session that is lost', async () => {
    const session = await client.sessions(7_000).acquire();
    session.lose('the test says so');
    const write = client.commit({ success: [{ put: { key: 'of-the-lost', value: '' } }] }, { session });
    await expect(write).rejects.toBeInstanceOf(SessionLostError);
    expect(await exists('of-the-lost')).toBe(false);
  });

  it('tells of its loss before etcd deletes its keys, when the link is half-open', async () => {
    const proxy = await FaultProxy.start({ target: etcd.endpoints[0]! });
    const stalled = openClient([proxy.endpoint]);
    const session = await stalled.sessions(2_000).acquire();
    const key = await sentinelOf(client, session);
    const mirror = client.mirror({ key });
    await mirror.ready();
    let lostAt = 0;
    let deletedAt = 0;
    session.signal.addEventListener('abort', () => (lostAt = performance.now()));
    mirror.subscribe(() => (deletedAt = performance.now()));
    proxy.stall();
    await until(() => lostAt > 0 && deletedAt > 0, { timeout: 8_000, what: 'loss and expiry' });
    expect(lostAt).toBeLessThan(deletedAt);
    await stalled.close();
    await proxy.close();
  });

  it('keeps its lease over a cut connection', async () => {
    const proxy = await FaultProxy.start({ target: etcd.endpoints[0]! });
    const cut = openClient([proxy.endpoint]);
    const session = await cut.sessions(5_000).acquire();
    for (let times = 0; times < 15; times++) {
      proxy.cut();
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
    expect(session.isAlive()).toBe(true);
    expect((await cut.sessions(5_000).acquire()).leaseId).toBe(session.leaseId);
    await cut.close();
    await proxy.close();
  });

  it('leaves a silent member in time to keep its lease with another', async () => {
    const proxies = await Promise.all([1, 2].map(() => FaultProxy.start({ target: etcd.endpoints[0]! })));
    const mobile = openClient(proxies.map(({ endpoint }) => endpoint));
    const session = await mobile.sessions(4_000).acquire();
    const [used, other] = proxies[0]!.accepted > 0 ? proxies : proxies.toReversed();
    // Right after a renewal is the worst moment: the next one is TTL/3 away.
    await until(() => session.remaining() < 3_000);
    await until(() => session.remaining() > 3_000);
    used!.stall();
    await until(() => other!.accepted > 0, { timeout: 5_000, what: 'the move to the other member' });
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(session.isAlive()).toBe(true);
    expect((await mobile.sessions(4_000).acquire()).leaseId).toBe(session.leaseId);
    await mobile.close();
    await Promise.all(proxies.map((proxy) => proxy.close()));
  });

  it('has the lease of a lost one revoked, also when the first attempt never arrives', async () => {
    const proxy = await FaultProxy.start({ target: etcd.endpoints[0]! });
    const owner = openClient([proxy.endpoint]);
    const lost = await owner.sessions(30_000).acquire();
    const key = 'place-of-the-lost';
    await owner.commit({ success: [{ put: { key, value: '', lease: lost.leaseId } }] });
    const cut = proxy.cutAtFrame({ path: '/etcdserverpb.Lease/LeaseRevoke', direction: 'client' });
    lost.lose('the test says so');
    await cut.fired;
    expect(await exists(key)).toBe(true);
    await until(async () => !(await exists(key)), { timeout: 5_000, what: 'the lease to be revoked' });
    await owner.close();
    await proxy.close();
  });

  it('knows of its loss right after a pause that outlasted it, before it does anything else', async () => {
    const session = await client.sessions(2_000).acquire();
    const end = performance.now() + 2_100;
    while (performance.now() < end);
    const write = client.commit({ success: [{ put: { key: 'after-the-pause', value: '' } }] }, { session });
    expect(session.isAlive()).toBe(false);
    await expect(write).rejects.toBeInstanceOf(SessionLostError);
    expect(await exists('after-the-pause')).toBe(false);
  });

  it('takes its keys along when the client is closed', async () => {
    const leaving = openClient(etcd.endpoints);
    const session = await leaving.sessions(60_000).acquire();
    await leaving.commit(
      { success: [{ put: { key: 'leaving', value: '', lease: session.leaseId } }] },
      { session },
    );
    expect(await exists('leaving')).toBe(true);
    const sentinel = await sentinelOf(client, session);
    await leaving.close();
    expect(await exists('leaving')).toBe(false);
    expect(session.isAlive()).toBe(false);
    expect(await exists(sentinel)).toBe(false);
  });

  it('takes along what hangs on a lease that was lost just before the client is closed', async () => {
    const leaving = openClient(etcd.endpoints);
    const session = await leaving.sessions(60_000).acquire();
    await leaving.commit({
      success: [{ put: { key: 'place of the leaving', value: '', lease: session.leaseId } }],
    });
    leaving.sessions(60_000).onSession((next) => next !== session && new Promise(() => undefined));
    session.lose('the test says so');
    await leaving.sessions(60_000).acquire();
    expect(await exists('place of the leaving')).toBe(true);
    await leaving.close();
    expect(await exists('place of the leaving')).toBe(false);
  });

  it('takes its keys along also when it is closed while its connection is made anew', async () => {
    const proxy = await FaultProxy.start({ target: etcd.endpoints[0]! });
    const leaving = openClient([proxy.endpoint]);
    const session = await leaving.sessions(60_000).acquire();
    await leaving.commit({ success: [{ put: { key: 'redialled', value: '', lease: session.leaseId } }] });
    proxy.cut();
    await until(() => leaving.status !== 'ready', { what: 'the cut to be noticed' });
    await leaving.close({ timeout: 5_000 });
    expect(await exists('redialled')).toBe(false);
    await proxy.close();
  });

  it('is waited for no longer than asked', async () => {
    const away = openClient(['127.0.0.1:1']);
    await expect(away.sessions(5_000).acquire({ timeout: 50 })).rejects.toBeInstanceOf(CoordUnavailableError);
    const abort = new AbortController();
    const aborted = away.sessions(5_000).acquire({ signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    const closed = away.sessions(5_000).acquire();
    await away.close();
    await expect(closed).rejects.toBeInstanceOf(ClosedError);
  });

  it('refuses a TTL that etcd would raise by itself', () => {
    expect(() => client.sessions(1_999)).toThrow(ValidationError);
  });
});
