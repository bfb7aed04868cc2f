import { beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from '../../../lib/coord/etcd/connection.js';
import type { Generation } from '../../../lib/coord/etcd/generation.js';
import type { KeepAliveStream } from '../../../lib/coord/etcd/keep-alive-stream.js';
import type { Session } from '../../../lib/coord/etcd/session.js';
import { SessionKeeper } from '../../../lib/coord/etcd/session-keeper.js';
import { FakeClock } from '../../support/fake-clock.js';
import { collectLog } from '../../support/open-client.js';

const TTL = 3_000;

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a session keeper', () => {
  let clock: FakeClock;
  let keeper: SessionKeeper;
  /** Answers the oldest grant that waits. */
  let grants: (() => void)[];
  let revoked: string[];
  let renewed: bigint[];
  beforeEach(() => {
    clock = new FakeClock();
    grants = [];
    revoked = [];
    renewed = [];
    let leases = 0;
    const lease = {
      leaseGrant: () =>
        new Promise((resolve) =>
          grants.push(() => resolve({ ID: String(++leases), TTL: String(TTL / 1_000) })),
        ),
      leaseRevoke: async ({ ID }: { ID: string }) => void revoked.push(ID),
    };
    const generation = {
      unary: (run: (rpc: unknown, options: object) => unknown) => run({ lease }, {}),
      drop: () => undefined,
    } as unknown as Generation;
    const connection = {
      live: generation,
      closing: new AbortController().signal,
      whenLive: async () => generation,
      onGeneration: (listener: (each: Generation) => void) => {
        listener(generation);
        return () => undefined;
      },
    } as unknown as Connection;
    const keepAlive = {
      renew: (leaseId: bigint, _: number, answered: (ttl: number) => void) => {
        renewed.push(leaseId);
        answered(TTL / 1_000);
      },
    } as unknown as KeepAliveStream;
    keeper = new SessionKeeper(TTL, {
      connection,
      keepAliveOf: () => keepAlive,
      guard: () => () => undefined,
      clock,
      random: () => 0.5,
      logger: collectLog(),
      requestTimeout: 5_000,
    });
  });

  const answerGrant = async () => {
    grants.shift()!();
    await settled();
  };
  const outlast = async () => {
    clock.freeze(TTL);
    clock.advance(200);
    await settled();
  };

  it('tells nobody of a lease whose grant was answered too late, gives it back, and asks for another', async () => {
    const told: Session[] = [];
    keeper.onSession((session) => told.push(session));
    const acquired = keeper.acquire({ timeout: 60_000 });
    await settled();
    clock.freeze(TTL);
    await answerGrant();
    expect(told).toEqual([]);
    await outlast();
    expect(revoked).toEqual(['1']);
    await answerGrant();
    const session = await acquired;
    expect(session.isAlive()).toBe(true);
    expect(session.leaseId).toBe(2n);
    expect(told).toEqual([session]);
  });

  it('goes on to the next session when the process was paused while it told of one', async () => {
    keeper.onSession(() => clock.freeze(TTL));
    keeper.acquire({ timeout: 60_000 }).catch(() => undefined);
    await settled();
    await answerGrant();
    await outlast();
    expect(grants).toHaveLength(1);
    await keeper.close(10);
  });

  it('renews the lease of a lost session for as long as its keys are being put back', async () => {
    let finish!: () => void;
    const lost = await (async () => {
      const first = keeper.acquire();
      await settled();
      await answerGrant();
      return first;
    })();
    keeper.onSession((session) =>
      session === lost ? undefined : new Promise<void>((resolve) => (finish = resolve)),
    );
    lost.lose('the spec says so');
    await settled();
    await answerGrant();
    renewed.length = 0;
    for (let thirds = 0; thirds < 6; thirds++) {
      clock.advance(TTL / 3);
      await settled();
    }
    expect(renewed.filter((lease) => lease === lost.leaseId).length).toBeGreaterThanOrEqual(5);
    expect(revoked).toEqual([]);
    finish();
    await settled();
    expect(revoked).toEqual(['1']);
    renewed.length = 0;
    clock.advance(TTL);
    expect(renewed).not.toContain(lost.leaseId);
    await keeper.close(10);
  });

  it('revokes at its close also what the lease of a lost session still holds, and leaves no timer', async () => {
    const acquired = keeper.acquire();
    await settled();
    await answerGrant();
    const lost = await acquired;
    keeper.onSession((session) => (session === lost ? undefined : new Promise(() => undefined)));
    lost.lose('the spec says so');
    await settled();
    await answerGrant();
    await keeper.close(500);
    expect(revoked.toSorted()).toEqual(['1', '2']);
    await settled();
    expect(clock.pending).toBe(0);
  });

  it('revokes at its close the lease of a lost session that none has followed yet, and leaves no timer', async () => {
    const acquired = keeper.acquire();
    await settled();
    await answerGrant();
    (await acquired).lose('the spec says so');
    await settled();
    await keeper.close(500);
    expect(revoked).toEqual(['1']);
    expect(clock.pending).toBe(0);
  });

  it('leaves the lease of a lost session that is retained to its TTL, also when another has followed', async () => {
    const acquired = keeper.acquire();
    await settled();
    await answerGrant();
    const lost = await acquired;
    lost.retain();
    lost.lose('the spec says so');
    await settled();
    await answerGrant();
    await settled();
    renewed.length = 0;
    clock.advance(TTL);
    await settled();
    expect(renewed).not.toContain(lost.leaseId);
    expect(revoked).toEqual([]);
    await keeper.close(500);
    expect(revoked).toEqual(['2']);
  });

  it('gives back the lease whose grant is answered while it closes', async () => {
    keeper.acquire().catch(() => undefined);
    await settled();
    grants.shift()!();
    await keeper.close(500);
    await settled();
    expect(revoked).toEqual(['1']);
    expect(clock.pending).toBe(0);
  });

  it('leaves the leases of retained sessions to their TTL at its close, the lost one too', async () => {
    const acquired = keeper.acquire();
    await settled();
    await answerGrant();
    const session = await acquired;
    session.retain();
    session.lose('the spec says so');
    await settled();
    await keeper.close(500);
    expect(revoked).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});
