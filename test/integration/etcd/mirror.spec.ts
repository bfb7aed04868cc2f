import { Etcd3 } from 'etcd3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EtcdClient } from '../../../lib/coord/etcd/etcd.client.js';
import { prefixRange } from '../../../lib/coord/etcd/kv.js';
import type { Mirror, MirrorChange } from '../../../lib/coord/etcd/mirror.js';
import { ClosedError } from '../../../lib/errors/closed.error.js';
import { CoordUnavailableError } from '../../../lib/errors/coord-unavailable.error.js';
import { FaultProxy } from '../../../lib/testing/index.js';
import { collectLog, openClient } from '../../support/open-client.js';
import { SlowLink } from '../../support/slow-link.js';
import { until } from '../../support/until.js';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';

const values = (mirror: Mirror): Record<string, string> =>
  Object.fromEntries([...mirror.snapshot().entries].map(([key, { value }]) => [key, value.toString()]));

/** How many answers are parts of a larger one when etcd sends these revisions to a watch that comes late. */
async function countFragments(
  endpoint: string,
  prefix: string,
  written: readonly (readonly [bigint, number])[],
): Promise<number> {
  const raw = new Etcd3({ hosts: endpoint });
  const stream = await raw.watchClient.watch({});
  let fragments = 0;
  let events = 0;
  stream.on('error', () => undefined);
  stream.on('data', (response) => {
    events += response.events.length;
    fragments += Number(response.fragment);
  });
  const { key, end } = prefixRange(prefix);
  const range = { key: Buffer.from(key), range_end: Buffer.from(end) };
  stream.write({ create_request: { ...range, start_revision: String(written[0]![0]), fragment: true } });
  await until(() => events >= written.length * 3, { timeout: 20_000, what: 'the backlog on a bare stream' });
  stream.cancel();
  raw.close();
  return fragments;
}

let tests = 0;

describe.each(await etcdKinds())('a mirror on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let client: EtcdClient;
  let prefix: string;
  const log = collectLog();
  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
  });
  afterAll(() => etcd.stop());
  beforeEach(async () => {
    prefix = `/mirror-${++tests}/`;
    client = openClient(etcd.endpoints, {}, log);
    await client.ready();
  });
  afterEach(() => client.close());

  const put = (entries: Record<string, string | Buffer>) =>
    client.commit({
      success: Object.entries(entries).map(([key, value]) => ({ put: { key: prefix + key, value } })),
    });
  const remove = (key: string) => client.commit({ success: [{ delete: { key: prefix + key } }] });

  it('holds what was there and follows every change, one call for one revision', async () => {
    await put({ a: '1', b: '1' });
    const mirror = client.mirror(prefixRange(prefix));
    const changes: MirrorChange[] = [];
    mirror.subscribe((change) => changes.push(change));
    await mirror.ready();
    expect(values(mirror)).toEqual({ [`${prefix}a`]: '1', [`${prefix}b`]: '1' });
    await put({ a: '2', c: '2' });
    const { revision } = await remove('b');
    await until(() => mirror.snapshot().revision >= revision);
    expect(values(mirror)).toEqual({ [`${prefix}a`]: '2', [`${prefix}c`]: '2' });
    expect(
      changes.map(({ cause, changes }) => [cause, changes.map(({ key }) => key.slice(prefix.length))]),
    ).toEqual([
      ['list', ['a', 'b']],
      ['watch', ['a', 'c']],
      ['watch', ['b']],
    ]);
    expect(changes[2]!.changes[0]).toMatchObject({
      previous: { value: Buffer.from('1') },
      current: undefined,
    });
  });

  it('goes on from what its owner knows, without a list of its own', async () => {
    const key = `${prefix}a`;
    const { revision, results } = await client.commit({
      success: [{ put: { key, value: '1' } }, { range: { key } }],
    });
    // Between the state and the watch: it must not be missed.
    await put({ a: '2' });
    const mirror = client.mirror({ key }, { known: { revision, kvs: results[1]!.kvs } });
    const changes: MirrorChange[] = [];
    mirror.subscribe((change) => changes.push(change));
    expect(values(mirror)).toEqual({ [key]: '1' });
    await until(() => values(mirror)[key] === '2');
    await remove('a');
    await until(() => mirror.snapshot().entries.size === 0);
    expect(changes.map(({ cause }) => cause)).toEqual(['watch', 'watch']);
  });

  it('keeps apart prefixes of which one begins like the other', async () => {
    const mirror = client.mirror(prefixRange(`${prefix}user/`));
    await mirror.ready();
    await put({ 'user/1': '', 'user-admin/1': '', user0: '' });
    await until(() => mirror.snapshot().entries.size > 0);
    expect([...mirror.snapshot().entries.keys()]).toEqual([`${prefix}user/1`]);
  });

  it('lists in pages as of one revision', async () => {
    await put(Object.fromEntries(Array.from({ length: 25 }, (_, index) => [`k${index + 10}`, `${index}`])));
    const mirror = client.mirror(prefixRange(prefix), { pageSize: 4 });
    const snapshot = await mirror.ready();
    expect([...snapshot.entries.keys()]).toEqual(
      Array.from({ length: 25 }, (_, index) => `${prefix}k${index + 10}`),
    );
  });

  it('keeps keys apart that are no text, and gets over them from page to page', async () => {
    const raw = new Etcd3({ hosts: etcd.endpoints });
    const bytes = [0x80, 0x81, 0xff, 0xfe, 0xc3];
    for (const byte of bytes) {
      const key = Buffer.concat([Buffer.from(prefix), Buffer.of(byte)]);
      await raw.kv.put({ key, value: Buffer.of(byte) });
    }
    raw.close();
    const mirror = client.mirror(prefixRange(prefix), { pageSize: 2 });
    const { entries } = await mirror.ready();
    expect([...entries.values()].map(({ value }) => value[0])).toEqual(bytes.toSorted((a, b) => a - b));
    for (const key of entries.keys()) await client.commit({ success: [{ delete: { key } }] });
    await until(() => mirror.snapshot().entries.size === 0);
  });

  it('holds ranges larger than one gRPC message usually may be', async () => {
    const megabyte = Buffer.alloc(1024 * 1024, 'x');
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) await put({ [key]: megabyte });
    const mirror = client.mirror(prefixRange(prefix));
    await mirror.ready();
    expect(mirror.snapshot().entries.size).toBe(6);
  });

  it('tells of a revision once, in one piece, also where etcd sends a backlog in fragments', async () => {
    const proxy = await FaultProxy.start({ target: etcd.endpoints[0]! });
    const reader = openClient([proxy.endpoint]);
    const mirror = reader.mirror(prefixRange(prefix));
    const seen: (readonly [bigint, number])[] = [];
    mirror.subscribe(({ revision, changes }) => seen.push([revision, changes.length]));
    await mirror.ready();
    await until(() => mirror.staleFor() === 0);
    seen.length = 0;
    proxy.refuse();
    const value = Buffer.alloc(450 * 1024, 'z');
    const written: (readonly [bigint, number])[] = [];
    for (let times = 0; times < 8; times++) {
      const { revision } = await put({ a: value, b: value, c: value });
      written.push([revision, 3]);
    }
    const fragments = await countFragments(etcd.endpoints[0]!, prefix, written);
    expect(fragments).toBeGreaterThan(1);
    proxy.resume();
    await until(() => seen.length >= written.length, { timeout: 20_000, what: 'the backlog' });
    expect(seen).toEqual(written);
    await reader.close();
    await proxy.close();
  });

  it('lists ten thousand keys of a kilobyte as of one revision, while others write', async () => {
    const value = Buffer.alloc(1_024, 'v');
    for (let from = 0; from < 10_000; from += 100) {
      await put(
        Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${10_000 + from + index}`, value])),
      );
    }
    const mirror = client.mirror(prefixRange(prefix));
    const listed = mirror.ready();
    const { revision } = await put({ k10000: 'changed', k19999: 'changed', new: '' });
    const snapshot = await listed;
    const changed = [...snapshot.entries.values()].filter(
      ({ value }) => value.toString() === 'changed',
    ).length;
    expect([snapshot.entries.size, changed]).toEqual(
      snapshot.revision >= revision ? [10_001, 2] : [10_000, 0],
    );
    await until(() => mirror.snapshot().entries.size === 10_001);
  });

  it.runIf(kind === 'embedded')(
    'holds a range that a slow link does not carry in one page in time, and cuts nobody for it',
    async () => {
      const value = Buffer.alloc(256 * 1024, 'x');
      for (let key = 10; key < 26; key++) await put({ [`large/${key}`]: value });
      const link = await SlowLink.start(etcd.endpoints[0]!, 1024 * 1024);
      const reader = openClient([link.endpoint], { requestTimeout: 2_500 });
      const other = reader.mirror(prefixRange(`${prefix}other/`));
      await other.ready();
      await until(() => other.staleFor() === 0);
      let stale = 0;
      other.stale$.subscribe((now) => (stale += Number(now)));
      const mirror = reader.mirror(prefixRange(`${prefix}large/`));
      const snapshot = await mirror.ready({ timeout: 40_000 });
      expect(snapshot.entries.size).toBe(16);
      expect([link.accepted, stale]).toEqual([1, 0]);
      await reader.close();
      link.close();
    },
  );

  it('never changes a snapshot that was handed out', async () => {
    await put({ a: '1' });
    const mirror = client.mirror(prefixRange(prefix));
    const before = await mirror.ready();
    await put({ a: '2' });
    await until(() => mirror.snapshot() !== before);
    expect(before.entries.get(`${prefix}a`)!.value.toString()).toBe('1');
  });

  it('lists again after a compaction that overtook it, and tells the difference, deletions included', async () => {
    await put({ kept: '1', gone: '1' });
    const proxy = await FaultProxy.start({ target: etcd.endpoints[0]! });
    const reader = openClient([proxy.endpoint]);
    const mirror = reader.mirror(prefixRange(prefix));
    const causes: string[] = [];
    mirror.subscribe(({ cause }) => causes.push(cause));
    await mirror.ready();
    await until(() => mirror.staleFor() === 0);
    proxy.refuse();
    await put({ new: '1', passing: '1' });
    await remove('passing');
    const { revision } = await remove('gone');
    const raw = new Etcd3({ hosts: etcd.endpoints });
    await raw.kv.compact({ revision: revision.toString(), physical: true });
    raw.close();
    proxy.resume();
    await until(() => mirror.snapshot().entries.has(`${prefix}new`), { what: 'the new list' });
    expect(values(mirror)).toEqual({ [`${prefix}kept`]: '1', [`${prefix}new`]: '1' });
    expect(causes).toEqual(['list', 'relist']);
    await put({ later: '1' });
    await until(() => mirror.snapshot().entries.has(`${prefix}later`));
    expect(causes).toEqual(['list', 'relist', 'watch']);
    await reader.close();
    await proxy.close();
  });

  it('loses nothing over a cut connection: the exact sequence goes on', async () => {
    const proxy = await FaultProxy.start({ target: etcd.endpoints[0]! });
    const reader = openClient([proxy.endpoint]);
    const mirror = reader.mirror(prefixRange(prefix));
    const seen: string[] = [];
    mirror.subscribe(({ changes }) => changes.forEach(({ current }) => seen.push(current!.value.toString())));
    await mirror.ready();
    for (let value = 0; value < 60; value++) {
      await put({ counter: String(value) });
      if (value % 10 === 5) proxy.cut();
    }
    await until(() => seen.at(-1) === '59', { what: 'the last value' });
    expect(seen).toEqual(Array.from({ length: 60 }, (_, value) => String(value)));
    await reader.close();
    await proxy.close();
  });

  it('isolates a listener that throws', async () => {
    const mirror = client.mirror(prefixRange(prefix));
    const seen: bigint[] = [];
    mirror.subscribe(() => {
      throw new Error('of the application');
    });
    mirror.subscribe(({ revision }) => seen.push(revision));
    await mirror.ready();
    await put({ a: '1' });
    await until(() => seen.length === 2);
    expect(
      log.lines.some(
        ({ fields }) => (fields?.['err'] as Error | undefined)?.message === 'of the application',
      ),
    ).toBe(true);
  });

  it('closes at once and calls nobody afterwards', async () => {
    const mirror = client.mirror(prefixRange(prefix));
    let calls = 0;
    let completed = false;
    mirror.subscribe(() => calls++);
    mirror.stale$.subscribe({ complete: () => (completed = true) });
    await mirror.ready();
    mirror.close();
    mirror.close();
    await put({ a: '1' });
    await put({ a: '2' });
    expect(calls).toBe(1);
    expect(completed).toBe(true);
    expect(values(mirror)).toEqual({});
  });

  it('ends a wait for its first list by limit, signal and close', async () => {
    const unreachable = openClient(['127.0.0.1:1'], { dialTimeout: 30_000 });
    const mirror = unreachable.mirror(prefixRange(prefix));
    await expect(mirror.ready({ timeout: 50 })).rejects.toBeInstanceOf(CoordUnavailableError);
    const abort = new AbortController();
    const aborted = mirror.ready({ signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    const closed = mirror.ready();
    mirror.close();
    await expect(closed).rejects.toBeInstanceOf(ClosedError);
    await unreachable.close();
  });

  it('says for how long it has heard nothing, and closes at once while it is stalled', async () => {
    const proxy = await FaultProxy.start({ target: etcd.endpoints[0]! });
    const reader = openClient([proxy.endpoint], { progressInterval: 200, progressTimeout: 200 });
    await put({ a: '1' });
    const mirror = reader.mirror(prefixRange(prefix));
    await mirror.ready();
    await until(() => mirror.staleFor() === 0);
    const states: boolean[] = [];
    let completed = false;
    mirror.stale$.subscribe({ next: (stale) => states.push(stale), complete: () => (completed = true) });
    let calls = 0;
    mirror.subscribe(() => calls++);
    proxy.stall();
    await until(() => mirror.staleFor() > 0, { what: 'staleness' });
    const early = mirror.staleFor();
    await until(() => mirror.staleFor() > early + 100);
    expect(values(mirror)).toEqual({ [`${prefix}a`]: '1' });
    const late = reader.mirror({ key: `${prefix}late` });
    const unready = late.ready();
    late.close();
    await expect(unready).rejects.toBeInstanceOf(ClosedError);
    mirror.close();
    expect([states, completed]).toEqual([[false, true], true]);
    await put({ a: '2' });
    proxy.resume();
    await reader.ready({ timeout: 10_000 });
    await reader.range({ key: 'a' }, { timeout: 10_000 });
    expect([calls, values(mirror)]).toEqual([0, { [`${prefix}a`]: '1' }]);
    await reader.close();
    await proxy.close();
  });

  it('attaches many ranges on one stream without waiting for one another', async () => {
    const proxy = await FaultProxy.start({ target: etcd.endpoints[0]! });
    const many = openClient([proxy.endpoint]);
    const mirrors = Array.from({ length: 200 }, (_, index) => many.mirror(prefixRange(`${prefix}${index}/`)));
    await Promise.all(mirrors.map((mirror) => mirror.ready()));
    await until(() => mirrors.every((mirror) => mirror.staleFor() === 0));
    await put({ '7/x': '1', '199/x': '1' });
    await until(() => mirrors[7]!.snapshot().entries.size + mirrors[199]!.snapshot().entries.size === 2);
    expect(mirrors.filter(({ synced }) => synced)).toHaveLength(200);
    const streams = proxy.connections.flatMap(({ paths }) => paths).filter((path) => path.endsWith('/Watch'));
    expect([streams.length, proxy.accepted]).toEqual([1, 1]);
    await many.close();
    await proxy.close();
  });
});
