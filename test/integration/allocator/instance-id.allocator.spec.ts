import { setTimeout as sleep } from 'node:timers/promises';
import { Etcd3 } from 'etcd3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CoordOptions } from '../../../lib/coord/coord.options.js';
import { CoordService } from '../../../lib/coord/coord.service.js';
import type { AllocatorOptions } from '../../../lib/coord/allocator/allocator.options.js';
import { preferredId } from '../../../lib/coord/allocator/choose-id.js';
import { InstanceIdAllocator } from '../../../lib/coord/allocator/instance-id.allocator.js';
import type { EtcdClient } from '../../../lib/coord/etcd/etcd.client.js';
import { prefixRange } from '../../../lib/coord/etcd/kv.js';
import type { RoomContext } from '../../../lib/coord/etcd/room-context.js';
import { type IdRecord, parseIdRecord } from '../../../lib/coord/allocator/id-record.js';
import { AllocatorExhaustedError } from '../../../lib/errors/allocator-exhausted.error.js';
import { ClosedError } from '../../../lib/errors/closed.error.js';
import { CoordUnavailableError } from '../../../lib/errors/coord-unavailable.error.js';
import { SessionLostError } from '../../../lib/errors/session-lost.error.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { resolveService } from '../../../lib/options/service.js';
import { FaultProxy } from '../../../lib/testing/index.js';
import { costInCalls } from '../../support/etcd-calls.js';
import { until } from '../../support/until.js';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';
import { roomContext } from '../lock/lock-room.js';

/** A quarantine of 2 s, less what the answer to the release took. */
const RESTS = 1_750;

/** Whether a number can be had. */
const had = (allocator: InstanceIdAllocator): Promise<boolean> =>
  allocator.acquire().then(
    () => true,
    () => false,
  );

describe.each(await etcdKinds())('instance ids on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let proxy: FaultProxy;
  /** Past the proxy. */
  let reader: EtcdClient;
  const open: { allocator: InstanceIdAllocator; context: RoomContext }[] = [];
  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
    proxy = await FaultProxy.start({ target: etcd.endpoints[0]! });
    reader = roomContext(etcd.endpoints).client;
  });
  afterAll(async () => {
    await reader.close();
    await proxy.close();
    await etcd.stop();
  });
  afterEach(async () => {
    await Promise.all(
      open.splice(0).map(async ({ allocator, context }) => {
        await allocator.close();
        await context.client.close();
      }),
    );
    proxy.resume();
  });

  /** The allocator of one process. */
  function process(
    service: string,
    maxId: number,
    options?: AllocatorOptions,
    instanceId?: string,
    { endpoints = etcd.endpoints, ...coord }: Partial<CoordOptions> = {},
  ) {
    const context = {
      ...roomContext(endpoints, coord),
      service: resolveService({ name: service, ...(instanceId !== undefined && { instanceId }) }),
    };
    const allocator = new InstanceIdAllocator(context, service, maxId, options);
    open.push({ allocator, context });
    return { allocator, context };
  }

  /** What is written under the numbers of a service. */
  async function records(service: string): Promise<(IdRecord | undefined)[]> {
    const { kvs } = await reader.range(prefixRange(`/allocators/${service}/`));
    return kvs.map(parseIdRecord);
  }

  it('are all different, from 1 to the most, and then exhausted', async () => {
    const processes = Array.from({ length: 6 }, () => process('many', 6).allocator);
    const ids = await Promise.all(processes.map((allocator) => allocator.acquire()));
    expect(ids.map(({ id }) => id).sort((x, y) => x - y)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(ids.every((id) => id.isValid() && !id.signal.aborted)).toBe(true);
    await expect(process('many', 6).allocator.acquire()).rejects.toBeInstanceOf(AllocatorExhaustedError);
  });

  it('are the same again for the same instance', async () => {
    const home = preferredId('orders-0', 1_000);
    const first = await process('sticky', 1_000, {}, 'orders-0').allocator.acquire();
    expect(first.id).toBe(home);
    await first.release();
    // Resting for others, but not for the one that had it.
    const again = await process('sticky', 1_000, {}, 'orders-0').allocator.acquire();
    expect(again.id).toBe(home);
  });

  it('rest before another process gets them, whether or not their process lives on', async () => {
    const first = process('resting', 1, { quarantine: '2s' });
    const id = await first.allocator.acquire();
    await id.release();
    expect(id.isValid()).toBe(false);
    await first.context.client.close();
    const released = performance.now();
    const second = process('resting', 1, { quarantine: '2s' });
    await until(() => had(second.allocator));
    expect(performance.now() - released).toBeGreaterThan(RESTS);
  });

  it('go back when they come while the allocator closes', async () => {
    const { allocator, context } = process('closing', 1, { quarantine: 0 });
    const commit = context.client.commit.bind(context.client);
    let closed: Promise<void> | undefined;
    Object.assign(context.client, {
      commit: async (...call: Parameters<typeof commit>) => {
        const result = await commit(...call);
        closed ??= allocator.close();
        return result;
      },
    });
    await expect(allocator.acquire()).rejects.toBeInstanceOf(ClosedError);
    await closed;
    expect(await records('closing')).toEqual([]);
  });

  it('rest for a minute, if nobody says for how long', async () => {
    const id = await process('minute', 1).allocator.acquire();
    await id.release();
    await expect(process('minute', 1).allocator.acquire()).rejects.toThrow(/1 of them rest/);
    const { kvs } = await reader.range(prefixRange('/allocators/minute/'));
    const raw = new Etcd3({ hosts: etcd.endpoints });
    const { TTL, grantedTTL } = await raw.leaseClient.leaseTimeToLive({ ID: kvs[0]!.lease.toString() });
    raw.close();
    expect(Number(grantedTTL)).toBe(60);
    expect(Number(TTL)).toBeGreaterThan(0);
  });

  it('rest after a crash too: nobody gets one before its time is over since its owner stopped trusting it', async () => {
    const quick = { sessionTtl: '2s', endpoints: [proxy.endpoint] };
    const first = process('crash', 1, { quarantine: '2s' }, 'first', quick);
    const id = await first.allocator.acquire();
    // To etcd the same as a process that was killed.
    proxy.refuse();
    const second = process('crash', 1, { quarantine: '2s' }, 'second');
    let lost = Infinity;
    id.signal.addEventListener('abort', () => (lost = performance.now()), { once: true });
    await until(() => had(second.allocator), { timeout: 20_000 });
    expect(performance.now() - lost).toBeGreaterThan(RESTS);
  });

  it('lost in an outage that their session survives go back, to rest, and to their instance at once', async () => {
    const quick = { sessionTtl: '2s', endpoints: [proxy.endpoint] };
    const { allocator, context } = process('outage', 100, { quarantine: '6s' }, 'mine', quick);
    const id = await allocator.acquire();
    const session = await context.client.sessions(14_000).acquire();
    proxy.stall();
    await until(() => id.signal.aborted, { timeout: 20_000 });
    proxy.resume();
    const again = await allocator.acquire({ timeout: '20s' });
    expect(session.isAlive()).toBe(true);
    expect(again.id).toBe(id.id);
    expect(await records('outage')).toHaveLength(1);
    await again.release();
    expect(await records('outage')).toMatchObject([{ resting: true }]);
  });

  it('go back by themselves when they were lost, though nobody asks for another', async () => {
    const quick = { sessionTtl: '2s', endpoints: [proxy.endpoint] };
    const { allocator } = process('back', 100, { quarantine: '6s' }, 'mine', quick);
    const id = await allocator.acquire();
    proxy.stall();
    await until(() => id.signal.aborted, { timeout: 20_000 });
    await id.release();
    proxy.resume();
    await until(async () => (await records('back'))[0]?.resting === true);
  });

  it('whose acquisition failed are free again when etcd is back', async () => {
    const { allocator } = process('failed', 5, {}, undefined, { endpoints: [proxy.endpoint] });
    await (await allocator.acquire()).release();
    proxy.stallAtFrame({ direction: 'server', path: '/etcdserverpb.KV/Txn' });
    const acquiring = expect(allocator.acquire({ timeout: 500 })).rejects.toBeInstanceOf(
      CoordUnavailableError,
    );
    await until(async () => (await records('failed')).some((record) => record?.resting === undefined));
    proxy.stall();
    await acquiring;
    proxy.resume();
    await until(async () => (await records('failed')).every((record) => record?.resting === true));
  });

  it('keep their rest when their process closes over a link so slow that nothing can be confirmed', async () => {
    const coord = await CoordService.connect({ service: { name: 'slow' }, endpoints: [proxy.endpoint] });
    await coord.allocator('slow', 5).acquire();
    proxy.delay(400, 400);
    await coord.close();
    proxy.resume();
    // What was under way when the connection ended may still arrive.
    await sleep(1_500);
    expect(await records('slow')).toHaveLength(1);
  });

  it.runIf(kind === 'binary')(
    'cost two calls: a look and a transaction, which the watch goes on from',
    async () => {
      const { allocator } = process('calls', 8, { quarantine: 0 });
      const hadAndLost = async (): Promise<void> => {
        const id = await allocator.acquire();
        // The watch is there: it tells of the loss.
        await reader.commit({ success: [{ delete: { key: `/allocators/calls/${id.id}` } }] });
        await until(() => id.signal.aborted);
        await id.release();
      };
      await hadAndLost();
      const cost = await costInCalls(etcd.process!, hadAndLost);
      // One transaction is the deletion; the number that is gone is looked after by one more, and by nothing else.
      expect(cost).toEqual({ Range: 1, Txn: 3 });
    },
  );

  it('make one revision, and without quarantine can be had again at once', async () => {
    const { allocator, context } = process('cost', 8, { quarantine: 0 });
    await (await allocator.acquire()).release();
    const before = (await context.client.range({ key: '/x' })).revision;
    const id = await allocator.acquire();
    expect((await context.client.range({ key: '/x' })).revision - before).toBe(1n);
    await Promise.all([id.release(), id.release()]);
    expect((await context.client.range({ key: '/allocators/cost/', end: '/allocators/cost0' })).count).toBe(
      0,
    );
  });

  it('tell of their loss: session gone, or key taken away', async () => {
    const { allocator, context } = process('loss', 8, { quarantine: 0 });
    const one = await allocator.acquire();
    await context.client.commit({ success: [{ delete: { key: `/allocators/loss/${one.id}` } }] });
    await until(() => one.signal.aborted);
    expect(one.signal.reason).toBeInstanceOf(SessionLostError);
    expect(() => one.assertValid()).toThrow(SessionLostError);
    const two = await allocator.acquire();
    (await context.client.sessions(15_000).acquire()).lose('its lease was revoked');
    expect(two.signal.aborted).toBe(true);
    expect(two.isValid()).toBe(false);
    await two.release();
  });

  it('are released only by their owner', async () => {
    const { allocator, context } = process('owner', 1, { quarantine: 0 });
    const id = await allocator.acquire();
    await context.client.commit({
      success: [{ put: { key: '/allocators/owner/1', value: 'somebody else' } }],
    });
    await id.release();
    const { kvs } = await context.client.range({ key: '/allocators/owner/1' });
    expect(kvs[0]?.value.toString()).toBe('somebody else');
  });

  it('refuse wrong arguments', async () => {
    expect(() => process('bad', 0)).toThrow(ValidationError);
    expect(() => process('bad', 1.5)).toThrow(ValidationError);
    const { allocator } = process('bad', 1);
    await expect(allocator.acquire({ timeout: 'soon' })).rejects.toBeInstanceOf(ValidationError);
    await expect(allocator.acquire({ signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone');
  });
});
