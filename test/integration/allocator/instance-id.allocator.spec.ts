import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AllocatorOptions } from '../../../lib/coord/allocator/allocator.options.js';
import { preferredId } from '../../../lib/coord/allocator/choose-id.js';
import { InstanceIdAllocator } from '../../../lib/coord/allocator/instance-id.allocator.js';
import type { RoomContext } from '../../../lib/coord/etcd/room-context.js';
import { AllocatorExhaustedError } from '../../../lib/errors/allocator-exhausted.error.js';
import { SessionLostError } from '../../../lib/errors/session-lost.error.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { resolveService } from '../../../lib/options/service.js';
import { until } from '../../support/until.js';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';
import { roomContext } from '../lock/lock-room.js';

describe.each(await etcdKinds())('instance ids on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  const open: { allocator: InstanceIdAllocator; context: RoomContext }[] = [];
  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
  });
  afterAll(() => etcd.stop());
  afterEach(async () => {
    await Promise.all(
      open.splice(0).map(async ({ allocator, context }) => {
        await allocator.close();
        await context.client.close();
      }),
    );
  });

  /** The allocator of one process. */
  function process(service: string, maxId: number, options?: AllocatorOptions, instanceId?: string) {
    const context = {
      ...roomContext(etcd.endpoints),
      service: resolveService({ name: service, ...(instanceId !== undefined && { instanceId }) }),
    };
    const allocator = new InstanceIdAllocator(context, service, maxId, options);
    open.push({ allocator, context });
    return { allocator, context };
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
    const second = process('resting', 1, { quarantine: '2s' });
    await expect(second.allocator.acquire()).rejects.toThrow(/1 of them rest/);
    await sleep(1_000);
    await expect(second.allocator.acquire()).rejects.toBeInstanceOf(AllocatorExhaustedError);
    let got: number | undefined;
    await until(async () => {
      got = await second.allocator.acquire().then(
        (next) => next.id,
        () => undefined,
      );
      return got === 1;
    });
  });

  it('cost two calls, and without quarantine can be had again at once', async () => {
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
