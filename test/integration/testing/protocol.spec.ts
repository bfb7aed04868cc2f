import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';
import { collect, WireClient } from './wire-client.js';

const MIB = 1024 * 1024;

describe.each(await etcdKinds())('the limits and streams of the %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let client: WireClient;

  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
    client = new WireClient(etcd.endpoints[0]!);
  });

  afterAll(async () => {
    client.close();
    await etcd.stop();
  });

  const puts = (count: number, prefix = 'k') =>
    Array.from({ length: count }, (_, index) => ({ requestPut: { key: `${prefix}${index}`, value: 'v' } }));

  describe('requests', () => {
    it('takes 128 operations a branch and refuses 129', async () => {
      expect((await client.txn({ success: puts(128) })).responses).toHaveLength(128);
      await expect(client.txn({ success: puts(129) })).rejects.toThrow(
        '3 INVALID_ARGUMENT: etcdserver: too many operations in txn request',
      );
    });

    it('leaves a nested transaction what its parent has not used', async () => {
      const nested = (inner: number) => ({
        success: [{ requestTxn: { success: puts(inner, 'n') } }, ...puts(99, 'o')],
      });
      await client.txn(nested(28));
      await expect(client.txn(nested(29))).rejects.toThrow('too many operations in txn request');
    });

    it('takes a request of nearly 1.5 MiB and refuses a larger one', async () => {
      await client.put({ key: 'big', value: Buffer.alloc(1.5 * MIB - 128) });
      await expect(client.put({ key: 'big', value: Buffer.alloc(1.5 * MIB) })).rejects.toThrow(
        '3 INVALID_ARGUMENT: etcdserver: request is too large',
      );
    });

    it('refuses to receive more than 2 MiB', async () => {
      await expect(client.put({ key: 'big', value: Buffer.alloc(2 * MIB) })).rejects.toThrow(
        /^8 RESOURCE_EXHAUSTED: .*larger than max/,
      );
    });

    it('makes every comparison before any write', async () => {
      await client.deleteRange({ key: 'order' });
      const absent = { key: 'order', target: 1, result: 0, createRevision: '0' };
      const { responses } = await client.txn({
        success: [
          { requestPut: { key: 'order', value: 'first' } },
          { requestTxn: { compare: [absent], success: [{ requestPut: { key: 'seen', value: 'absent' } }] } },
        ],
      });
      expect(responses[1]?.responseTxn?.succeeded).toBe(true);
    });
  });

  describe('leases', () => {
    it('grants at least two seconds and deletes the keys when they are over, at one revision', async () => {
      const { ID, TTL } = await client.grant(1);
      expect(TTL).toBe('2');
      await client.put({ key: 'e/2', value: '', lease: ID });
      await client.put({ key: 'e/1', value: '', lease: ID });
      const deleted = collect(client.watch(), { key: 'e/', rangeEnd: 'e0' });
      const start = performance.now();
      await expect.poll(() => deleted.events.length, { timeout: 6_000 }).toBe(2);
      expect(performance.now() - start).toBeGreaterThan(1_500);
      expect(deleted.events.map(({ type, kv }) => [type, kv.key.toString()])).toEqual([
        [1, 'e/1'],
        [1, 'e/2'],
      ]);
      expect(new Set(deleted.events.map(({ kv }) => kv.modRevision)).size).toBe(1);
      expect((await client.timeToLive(ID)).TTL).toBe('-1');
      deleted.stream.cancel();
    });

    it('keeps a renewed lease', async () => {
      const { ID } = await client.grant(2);
      const stream = client.keepAlive();
      const answers: string[] = [];
      stream.on('data', ({ TTL }: { TTL: string }) => answers.push(TTL));
      const timer = setInterval(() => stream.write({ ID }), 500);
      await expect.poll(() => answers.length, { timeout: 10_000 }).toBeGreaterThan(6);
      clearInterval(timer);
      expect(new Set(answers)).toEqual(new Set(['2']));
      expect((await client.timeToLive(ID)).grantedTTL).toBe('2');
      await client.revoke(ID);
      stream.cancel();
    });

    it('answers a renewal of an unknown lease with a TTL of 0', async () => {
      const stream = client.keepAlive();
      const answer = new Promise<{ TTL: string }>((resolve) => stream.once('data', resolve));
      stream.write({ ID: '4711' });
      expect((await answer).TTL).toBe('0');
      stream.cancel();
    });
  });

  describe('watches', () => {
    beforeEach(async () => {
      await client.deleteRange({ key: 'w/', rangeEnd: 'w0' });
    });

    it('splits a revision of more than 2 MiB into fragments, if asked to', async () => {
      const value = Buffer.alloc(MIB, 1);
      const { header } = await client.put({ key: 'w/0', value });
      for (const key of ['w/1', 'w/2', 'w/3']) await client.put({ key, value });
      const { stream, responses, events } = collect(client.watch(), {
        key: 'w/',
        rangeEnd: 'w0',
        startRevision: header.revision,
        fragment: true,
      });
      await expect.poll(() => events.length, { timeout: 10_000 }).toBe(4);
      const parts = responses.filter((each) => each.events.length > 0);
      expect(parts.length).toBeGreaterThan(1);
      expect(parts.at(-1)!.fragment).toBe(false);
      expect(parts.slice(0, -1).every(({ fragment }) => fragment)).toBe(true);
      stream.cancel();
    });

    it('delivers a long history in batches, in order and complete', async () => {
      const { header } = await client.put({ key: 'w/0', value: '0' });
      for (let i = 0; i < 2_500; i += 50) {
        await Promise.all(
          Array.from({ length: 50 }, (_, j) => client.put({ key: 'w/0', value: String(i + j) })),
        );
      }
      const { stream, responses, events } = collect(client.watch(), {
        key: 'w/0',
        startRevision: header.revision,
      });
      await expect.poll(() => events.length, { timeout: 20_000 }).toBe(2_501);
      const revisions = events.map(({ kv }) => Number(kv.modRevision));
      expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
      expect(Math.max(...responses.map((each) => each.events.length))).toBeLessThanOrEqual(1_000);
      stream.cancel();
    });

    it('may start at the first revision of an empty store', async () => {
      const fresh = await startEtcdOf(kind);
      const other = new WireClient(fresh.endpoints[0]!);
      const { stream, responses, events } = collect(other.watch(), { key: 'a', startRevision: '1' });
      await expect.poll(() => responses.length, { timeout: 5_000 }).toBe(1);
      await other.put({ key: 'a', value: '1' });
      await expect.poll(() => events.length, { timeout: 5_000 }).toBe(1);
      stream.cancel();
      other.close();
      await fresh.stop();
    });

    it('answers a progress request on the stream with the newest revision', async () => {
      const { stream, responses } = collect(client.watch(), { key: 'w/' });
      await expect.poll(() => responses.length).toBe(1);
      const { header } = await client.put({ key: 'elsewhere', value: '' });
      stream.write({ progressRequest: {} });
      await expect.poll(() => responses.length).toBe(2);
      expect(responses[1]).toMatchObject({ watchId: '-1', created: false, canceled: false, events: [] });
      expect(responses[1]!.header.revision).toBe(header.revision);
      stream.cancel();
    });

    it('keeps the id of a watch that compaction has ended until it is cancelled', async () => {
      await client.put({ key: 'w/0', value: '1' });
      const { header } = await client.put({ key: 'w/0', value: '2' });
      await client.compact(header.revision);
      const create = { key: 'w/0', watchId: '7', startRevision: '1' };
      const { stream, responses } = collect(client.watch(), create);
      await expect.poll(() => responses.length, { timeout: 5_000 }).toBe(2);
      expect(responses[1]).toMatchObject({
        watchId: '7',
        canceled: true,
        compactRevision: header.revision,
        cancelReason: '',
      });
      stream.write({ createRequest: create });
      await expect.poll(() => responses.length).toBe(3);
      expect(responses[2]).toMatchObject({
        watchId: '-1',
        created: true,
        canceled: true,
        cancelReason: 'mvcc: duplicate watch ID provided on the WatchStream',
      });
      stream.cancel();
    });
  });
});
