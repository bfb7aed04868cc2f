import { AsyncLocalStorage } from 'node:async_hooks';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EtcdClient } from '../../../lib/coord/etcd/etcd.client.js';
import { prefixRange } from '../../../lib/coord/etcd/kv.js';
import { knownBugs } from '../../../lib/coord/etcd/server-version.js';
import { ClosedError } from '../../../lib/errors/closed.error.js';
import { CoordUnavailableError } from '../../../lib/errors/coord-unavailable.error.js';
import { EtcdRefusedError } from '../../../lib/errors/etcd-refused.error.js';
import { FaultProxy } from '../../../lib/testing/index.js';
import { collectLog, openClient } from '../../support/open-client.js';
import { until } from '../../support/until.js';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';

describe.each(await etcdKinds())('the etcd client on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let client: EtcdClient;
  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
  });
  afterAll(() => etcd.stop());
  beforeEach(async () => {
    client = openClient(etcd.endpoints);
    await client.ready();
  });
  afterEach(() => client.close());

  it('knows the server that it is connected to', () => {
    expect(client.status).toBe('ready');
    expect(client.serverVersion).toMatch(/^3\.\d+\.\d+/);
    expect(client.clusterId).toBeGreaterThan(0n);
  });

  it('leaves the context of the caller to whom it belongs', async () => {
    const request = new AsyncLocalStorage<string>();
    const contexts: (string | undefined)[] = [];
    const mirror = request.run('a request', () => client.mirror({ key: 'client/context' }));
    mirror.subscribe(() => contexts.push(request.getStore()));
    await mirror.ready();
    await client.commit({ success: [{ put: { key: 'client/context', value: '' } }] });
    await until(() => contexts.length === 2);
    expect(contexts).toEqual([undefined, undefined]);
  });

  it('warns of each known bug of the server at the first connection, and not again', async () => {
    const log = collectLog();
    const proxy = await FaultProxy.start({ target: etcd.endpoints[0]! });
    const warned = openClient([proxy.endpoint], {}, log);
    await warned.ready();
    await warned.mirror({ key: 'client/watched' }).ready();
    proxy.cut();
    await until(() => log.lines.filter(({ message }) => message === 'etcd connected').length === 2);
    const bugs = knownBugs(warned.serverVersion!);
    const said = log.lines.filter(({ message }) => message.startsWith('this etcd version has a known bug'));
    expect(said.map(({ level, message, fields }) => [level, message, fields])).toEqual(
      bugs.map((bug) => [
        'warn',
        `this etcd version has a known bug: ${bug}`,
        { version: warned.serverVersion },
      ]),
    );
    await warned.close();
    await proxy.close();
  });

  it('writes what the comparison allows, and says what it found where it does not', async () => {
    const create = {
      compare: [{ key: 'client/once', target: 'create', value: 0n }],
      success: [{ put: { key: 'client/once', value: 'first' } }],
      failure: [{ range: { key: 'client/once' } }],
    } as const;
    const made = await client.commit(create);
    expect(made).toMatchObject({ succeeded: true, results: [{ kvs: [] }] });
    const refused = await client.commit(create);
    expect(refused.succeeded).toBe(false);
    expect(refused.results[0]!.kvs[0]).toMatchObject({
      key: 'client/once',
      value: Buffer.from('first'),
      createRevision: made.revision,
      modRevision: made.revision,
      version: 1n,
      lease: 0n,
    });
  });

  it('compares version, revisions, values and leases, also over ranges', async () => {
    const { revision } = await client.commit({ success: [{ put: { key: 'cmp/a', value: 'x' } }] });
    const holds = async (compare: object): Promise<boolean> => {
      const check = { compare: [{ key: 'cmp/a', ...compare }], success: [] } as never;
      return (await client.commit(check)).succeeded;
    };
    expect(await holds({ target: 'mod', value: revision })).toBe(true);
    expect(await holds({ target: 'mod', op: '<', value: revision })).toBe(false);
    expect(await holds({ target: 'version', op: '>', value: 0n })).toBe(true);
    expect(await holds({ target: 'value', value: 'x' })).toBe(true);
    expect(await holds({ target: 'value', op: '!=', value: 'x' })).toBe(false);
    expect(await holds({ target: 'lease', value: 0n })).toBe(true);
    expect(await holds({ ...prefixRange('cmp/'), target: 'create', value: 0n })).toBe(false);
    expect(await holds({ ...prefixRange('nobody/'), target: 'create', value: 0n })).toBe(true);
  });

  it('gives writes of one tick one revision, and conflicting ones an order', async () => {
    const before = (await client.range({ key: 'x' })).revision;
    const [a, b] = await Promise.all([
      client.commit({ success: [{ put: { key: 'tick/a', value: '' } }] }),
      client.commit({ success: [{ put: { key: 'tick/b', value: '' } }] }),
    ]);
    expect([a.revision, b.revision]).toEqual([before + 1n, before + 1n]);
    const [first, second] = await Promise.all([
      client.commit({ success: [{ put: { key: 'tick/c', value: '1' } }] }),
      client.commit({ success: [{ put: { key: 'tick/c', value: '2' } }] }),
    ]);
    expect([first.revision, second.revision]).toEqual([before + 2n, before + 3n]);
  });

  it('lets nobody fail for a neighbour that etcd refuses', async () => {
    const put = (key: string, lease?: bigint) =>
      client.commit({ success: [{ put: { key, value: '', ...(lease !== undefined && { lease }) } }] });
    const results = await Promise.allSettled([put('apart/a'), put('apart/b', 4_242n), put('apart/c')]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((results[1] as PromiseRejectedResult).reason).toBeInstanceOf(EtcdRefusedError);
    expect((await client.range(prefixRange('apart/'))).count).toBe(2);
  });

  it('refuses a value larger than etcd takes, with etcd’s reason', async () => {
    const huge = client.commit({ success: [{ put: { key: 'huge', value: Buffer.alloc(1_700_000) } }] });
    await expect(huge).rejects.toThrow(/request is too large/);
  });

  it('reads limited, sorted, counted and past states', async () => {
    for (const key of ['r/b', 'r/a', 'r/c']) await client.commit({ success: [{ put: { key, value: key } }] });
    const all = await client.range(prefixRange('r/'));
    expect(all.kvs.map(({ key }) => key)).toEqual(['r/a', 'r/b', 'r/c']);
    const newest = await client.range({
      ...prefixRange('r/'),
      sort: { by: 'create', order: 'desc' },
      limit: 1,
    });
    expect(newest).toMatchObject({ more: true, count: 3, kvs: [{ key: 'r/c' }] });
    expect(await client.range({ ...prefixRange('r/'), countOnly: true })).toMatchObject({
      kvs: [],
      count: 3,
    });
    await client.commit({ success: [{ delete: prefixRange('r/') }] });
    expect((await client.range({ ...prefixRange('r/'), revision: all.revision })).count).toBe(3);
    expect((await client.range(prefixRange('r/'))).count).toBe(0);
  });

  it('ends a wait with the reason of its signal', async () => {
    const abort = new AbortController();
    abort.abort(new Error('not wanted any more'));
    await expect(client.range({ key: 'a' }, { signal: abort.signal })).rejects.toThrow('not wanted any more');
    await expect(client.commit({ success: [] }, { signal: abort.signal })).rejects.toThrow(
      'not wanted any more',
    );
  });

  it('isolates a subscriber to its state that throws, and says so', async () => {
    const log = collectLog();
    const watched = openClient(etcd.endpoints, {}, log);
    const seen: string[] = [];
    watched.status$.subscribe(() => {
      throw new Error('of the application');
    });
    watched.status$.subscribe((status) => seen.push(status));
    await watched.ready();
    await watched.close();
    expect(seen).toEqual(['connecting', 'ready', 'closed']);
    const reports = log.lines.filter(({ level }) => level === 'error');
    expect(reports.map(({ fields }) => (fields!['err'] as Error).message)).toEqual(
      seen.map(() => 'of the application'),
    );
  });

  it('rejects everything after it was closed, and completes its status', async () => {
    const states: string[] = [];
    let completed = false;
    client.status$.subscribe({ next: (status) => states.push(status), complete: () => (completed = true) });
    await client.close();
    await client.close();
    expect(states).toEqual(['ready', 'closed']);
    expect(completed).toBe(true);
    await expect(client.range({ key: 'a' })).rejects.toBeInstanceOf(ClosedError);
    await expect(client.commit({ success: [] })).rejects.toBeInstanceOf(ClosedError);
    expect(() => client.mirror({ key: 'a' })).toThrow(ClosedError);
    expect(() => client.sessions(5_000)).toThrow(ClosedError);
  });
});

describe('the etcd client without an etcd', () => {
  it('gives up within dialTimeout, and names every endpoint with its reason', async () => {
    const client = openClient(['127.0.0.1:1', 'http://127.0.0.1:2'], { dialTimeout: 700 });
    const started = performance.now();
    await expect(client.ready()).rejects.toThrow(
      /etcd did not answer within 700 ms at 127\.0\.0\.1:1 \(.*ECONNREFUSED.*\), 127\.0\.0\.1:2 \(.*ECONNREFUSED/,
    );
    expect(performance.now() - started).toBeLessThan(1_500);
    expect(client.status).toBe('degraded');
    await client.close();
  });

  it('gives up in time on a port that accepts and says nothing', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const client = openClient([`127.0.0.1:${(silent.address() as AddressInfo).port}`], { dialTimeout: 700 });
    await expect(client.ready()).rejects.toBeInstanceOf(CoordUnavailableError);
    await expect(client.range({ key: 'a' }, { timeout: 300 })).rejects.toBeInstanceOf(CoordUnavailableError);
    await expect(client.commit({ success: [] }, { timeout: 300 })).rejects.toBeInstanceOf(
      CoordUnavailableError,
    );
    await client.close();
    silent.close();
  });

  it('connects by itself once etcd is there', async () => {
    const first = await startEtcdOf('embedded');
    const [endpoint] = first.endpoints;
    await first.stop();
    const client = openClient([endpoint!], { dialTimeout: 300 });
    await expect(client.ready()).rejects.toBeInstanceOf(CoordUnavailableError);
    const { EmbeddedEtcd } = await import('../../../lib/testing/index.js');
    const second = await EmbeddedEtcd.start({ port: Number(endpoint!.split(':')[1]) });
    await until(() => client.status === 'ready', { timeout: 3_000, what: 'the connection' });
    await client.close();
    await second.stop();
  });
});
