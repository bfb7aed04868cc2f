import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { firstValueFrom } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { defineConfig } from '../../../lib/coord/config/config.definition.js';
import type { ConfigOptions } from '../../../lib/coord/config/config.options.js';
import { fromText } from '../../../lib/coord/config/snapshot-content.js';
import { readSnapshot } from '../../../lib/coord/config/snapshot-file.js';
import { secret } from '../../../lib/coord/config/secret.js';
import { CoordService } from '../../../lib/coord/coord.service.js';
import { CoordUnavailableError } from '../../../lib/errors/coord-unavailable.error.js';
import { EmbeddedEtcd } from '../../../lib/testing/index.js';
import { ConfigRoom, until } from './config-room.js';

const dbConfig = defineConfig('db', { schema: z.object({ url: z.string(), pool: z.number() }) });
const loginConfig = defineConfig('login', {
  schema: z.object({ user: z.string(), pass: z.string().transform(secret).optional() }),
});
const DIAL = 300;

describe('a cold start without etcd', () => {
  let dir: string;
  let etcd: EmbeddedEtcd;
  const rooms: ConfigRoom[] = [];

  const open = (config?: ConfigOptions, maxAge?: number): ConfigRoom => {
    const snapshot = { dir, ...(maxAge !== undefined && { maxAge }) };
    const room = new ConfigRoom([etcd.endpoint], { snapshot, dialTimeout: DIAL, ...(config && { config }) });
    rooms.push(room);
    return room;
  };
  const bytes = async (): Promise<string> => {
    const files = await readdir(dir);
    const texts = await Promise.all(files.map((file) => readFile(join(dir, file), 'latin1')));
    // Values stand in the file as base64: decode every piece that could be one.
    return texts
      .flatMap((text) => [
        text,
        ...text.split('"').map((part) => Buffer.from(part, 'base64').toString('latin1')),
      ])
      .join('\n');
  };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'im-infra-cold-'));
    etcd = await EmbeddedEtcd.start();
  });
  afterEach(async () => {
    await Promise.all(rooms.splice(0).map((room) => room.close()));
    await etcd.stop();
    await rm(dir, { recursive: true });
  });

  it('begins with what the run before knew, says that it is stale, and converges when etcd is back', async () => {
    const first = open();
    await first.config.set('/config/test/global/db', { url: 'db', pool: 1 });
    await first.config.set('db', { pool: 5 });
    await first.config.set('motd', 'hello');
    await first.config.live(dbConfig);
    await first.config.get('motd');
    await first.config.get('absent').catch(() => undefined);
    await first.close();
    etcd.faults.network.refuse();

    const second = open();
    const started = performance.now();
    const live = await second.config.live(dbConfig);
    expect(performance.now() - started).toBeLessThan(DIAL + 5_000);
    expect(live.value).toEqual({ url: 'db', pool: 5 });
    expect(second.config.status).toMatchObject({ state: 'stale', origin: 'snapshot' });
    expect(await second.config.get('motd')).toBe('hello');
    expect(await second.config.get('absent', { default: 'none' })).toBe('none');
    // The snapshot does not speak of this key, so nobody may say that it does not exist.
    await expect(second.config.get('other', { timeout: 100 })).rejects.toBeInstanceOf(CoordUnavailableError);
    await expect(second.config.get('db', { linearizable: true, timeout: 100 })).rejects.toBeInstanceOf(
      CoordUnavailableError,
    );

    const seen: unknown[] = [];
    second.config.watch('motd').subscribe((value) => seen.push(value));
    etcd.faults.network.resume();
    const other = new ConfigRoom([etcd.endpoint]);
    rooms.push(other);
    await other.config.delete('motd');
    await other.config.set('db', { pool: 9 });
    // How soon is a figure of bench/config; here it is only said that it does.
    await until(() => live.value.pool === 9 && second.config.status.state === 'live', 15_000);
    await until(() => seen.length === 2);
    expect(seen).toEqual(['hello', undefined]);
  });

  it('fails clearly without a snapshot and without a default', async () => {
    etcd.faults.network.refuse();
    const room = open();
    const error = (await room.config.live(dbConfig).catch((reason: unknown) => reason)) as Error;
    expect(error).toBeInstanceOf(CoordUnavailableError);
    expect(error.message).toContain('configuration db has no value to start with');
  });

  it('uses no snapshot that is too old, torn, or encrypted with another key, and says so', async () => {
    const first = open({ snapshotKey: 'a key of enough length' });
    await first.config.set('db', { url: 'db', pool: 5 });
    await first.config.live(dbConfig);
    await first.close();
    etcd.faults.network.refuse();
    const reasons = async (room: ConfigRoom): Promise<string> => {
      await expect(room.config.live(dbConfig)).rejects.toBeInstanceOf(CoordUnavailableError);
      return JSON.stringify(room.lines);
    };
    expect(await reasons(open({ snapshotKey: 'another key of some length' }))).toContain('another key');
    expect(await reasons(open())).toContain('no key');
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    expect(await reasons(open({ snapshotKey: 'a key of enough length' }, 1_000))).toContain('too old');
    const [file] = await readdir(dir);
    await writeFile(join(dir, file!), (await readFile(join(dir, file!))).subarray(0, -1));
    expect(await reasons(open({ snapshotKey: 'a key of enough length' }))).toContain('checksum');
  });

  it('has no secret in any byte on disk, and says so instead of starting with half a value', async () => {
    const schema = z.object({ user: z.string(), pass: z.string().transform(secret) });
    const login = defineConfig('login', { schema });
    const first = open({ secrets: ['*/vault/*'] });
    await first.config.set('login', { user: 'u', pass: 'hush-canary-1' });
    await first.config.set('vault/x', 'hush-canary-2');
    await first.config.set('plain', { nested: { apiToken: 'hush-canary-3' } });
    await first.config.set('open', 'visible');
    await first.config.live(login);
    for (const key of ['vault/x', 'plain', 'open']) await first.config.get(key);
    await first.close();
    const onDisk = await bytes();
    expect(onDisk).toContain('visible');
    expect(onDisk).not.toContain('hush-canary');
    etcd.faults.network.refuse();
    const second = open();
    await expect(second.config.live(login)).rejects.toBeInstanceOf(CoordUnavailableError);
    expect(await second.config.get('open')).toBe('visible');
  });

  it.each<[string, (config: ConfigRoom['config']) => Promise<() => void>]>([
    [
      'a live view',
      async (config) => {
        const live = await config.live(loginConfig);
        return () => live.close();
      },
    ],
    [
      'a subscriber of a value',
      async (config) => {
        const values = config.watch('login', { schema: loginConfig.schema }).subscribe();
        return () => values.unsubscribe();
      },
    ],
    [
      'a subscriber of a prefix',
      async (config) => {
        const maps = config.watchPrefix('', { schema: loginConfig.schema }).subscribe();
        return () => maps.unsubscribe();
      },
    ],
  ])('has no value that %s could not read, after it is closed either', async (_, read) => {
    const room = open();
    await room.config.set('login', { user: 'u' });
    const close = await read(room.config);
    await vi.waitFor(async () => expect(await bytes()).toContain('{"user":"u"}'), 5_000);
    await room.put('/config/test/orders/login', '{"user":"u","pass":"hush-canary');
    await until(() => room.config.status.rejected.length > 0);
    close();
    await room.close();
    const onDisk = await bytes();
    expect(onDisk).toContain('{"user":"u"}');
    expect(onDisk).not.toContain('hush-canary');
  });

  it('has a value that one left unread and another reads', async () => {
    const slow = z.object({ user: z.string() }).refine(async () => Promise.resolve(true));
    const room = open();
    await room.config.set('login', { user: 'u' });
    await firstValueFrom(room.config.watch('login'));
    room.config.watch('login', { schema: slow }).subscribe().unsubscribe();
    expect(await firstValueFrom(room.config.watch('login', { schema: slow }))).toEqual({ user: 'u' });
    await room.close();
    expect(await bytes()).toContain('{"user":"u"}');
  });

  it('has the secrets too where the snapshot is encrypted', async () => {
    const options = { snapshotKey: 'a key of enough length' };
    const schema = z.object({ pass: z.string().transform(secret) });
    const first = open(options);
    await first.config.set('login', { pass: 'hush-canary' });
    await first.config.live('login', { schema });
    await first.close();
    expect(await bytes()).not.toContain('hush-canary');
    etcd.faults.network.refuse();
    const live = await open(options).config.live('login', { schema });
    expect(live.value.pass.reveal()).toBe('hush-canary');
  });

  it('has a value that took longer to judge than the snapshot waits', async () => {
    const slow = defineConfig('slow', {
      schema: z.object({ n: z.number() }),
      onBeforeApply: () => sleep(1_500, undefined),
    });
    const first = open();
    await first.config.set('slow', { n: 1 });
    expect((await first.config.live(slow)).value).toEqual({ n: 1 });
    await first.close();
    await etcd.stop();
    expect((await open().config.live(slow)).value).toEqual({ n: 1 });
  });

  it('keeps the last good value of a key whose newest is refused', async () => {
    const first = open();
    await first.config.set('db', { url: 'db', pool: 5 });
    await first.config.live(dbConfig);
    await first.close();
    const second = open();
    await second.put('/config/test/orders/db', '{"url":7}');
    const live = await second.config.live(
      defineConfig('db', { ...dbConfig, default: { url: 'd', pool: 1 } }),
    );
    expect(live.rejected).toBeDefined();
    await second.close();
    etcd.faults.network.refuse();
    expect((await open().config.live(dbConfig)).value).toEqual({ url: 'db', pool: 5 });
  });

  it('writes a burst of changes once, after it has settled, for its owner only', async () => {
    const room = open();
    await room.config.set('n', 0);
    await room.config.live('n');
    for (let n = 1; n <= 50; n++) await room.config.set('n', n);
    let path = '';
    for (let last = ''; last !== '50'; await new Promise((resolve) => setTimeout(resolve, 20))) {
      const [file] = (await readdir(dir)).filter((name) => name.endsWith('.snap'));
      path = join(dir, file ?? '');
      const text = file === undefined ? undefined : await readSnapshot(path);
      if (text) last = fromText(text).state.entries.get('/config/test/orders/n')?.value.toString() ?? '';
    }
    expect(await readdir(dir)).toHaveLength(1);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    // A change to a key that nobody looks at is no reason to write.
    await utimes(path, 1, 1);
    await room.config.set('unused', 1);
    await room.close();
    expect((await stat(path)).mtimeMs).toBe(1_000);
  });

  it('does not wait for etcd once more for each view', async () => {
    etcd.faults.network.refuse();
    const room = new ConfigRoom([etcd.endpoint], { snapshot: { dir }, dialTimeout: 1_500 });
    rooms.push(room);
    const started = performance.now();
    await room.client.ready().catch(() => undefined);
    for (const name of ['a', 'b', 'c', 'd', 'e']) await room.config.live(name, { default: 1 });
    // Six times the dial timeout if each of them waited for itself.
    expect(performance.now() - started).toBeLessThan(4_500);
  });

  it('uses the snapshot too when etcd falls silent between the connection and the first view', async () => {
    const first = open();
    await first.config.set('db', { url: 'db', pool: 5 });
    await first.config.live(dbConfig);
    await first.close();
    const second = open();
    await second.client.ready();
    etcd.faults.stall();
    expect((await second.config.live(dbConfig)).value).toEqual({ url: 'db', pool: 5 });
    expect(second.config.status).toMatchObject({ state: 'stale', origin: 'snapshot' });
    etcd.faults.resume();
    await until(() => second.config.status.state === 'live', 15_000);
  });

  it('starts a CoordService with the snapshot where etcd is optional, and not where it is not', async () => {
    const options = {
      service: { name: 'orders', env: 'test' },
      endpoints: [etcd.endpoint],
      dialTimeout: DIAL,
      snapshot: { dir },
    };
    const first = await CoordService.connect(options);
    await first.config.set('db', { url: 'db', pool: 5 });
    await first.config.live(dbConfig);
    await first.close();
    etcd.faults.network.refuse();
    await expect(CoordService.connect(options)).rejects.toBeInstanceOf(CoordUnavailableError);
    await using second = await CoordService.connect({ ...options, optional: true });
    const live = await second.config.live(dbConfig);
    expect(live.value).toEqual({ url: 'db', pool: 5 });
    expect(second.config.status).toMatchObject({ state: 'stale', origin: 'snapshot' });
  });

  it('tells no event of what the snapshot did not speak of', async () => {
    const other = new ConfigRoom([etcd.endpoint]);
    rooms.push(other);
    for (const key of ['old', 'n', 'gone']) await other.config.set(key, 1);
    const first = open();
    await first.config.live('n');
    await first.config.get('gone');
    await first.close();
    await other.config.set('n', 2);
    await other.config.delete('gone');
    etcd.faults.network.refuse();
    const second = open();
    await second.config.live('n');
    const seen: string[] = [];
    second.config.events('').subscribe(({ type, key }) => seen.push(`${type} ${key.split('/').at(-1)}`));
    etcd.faults.network.resume();
    await until(() => second.config.status.state === 'live', 15_000);
    await other.config.set('new', 1);
    await until(() => seen.includes('PUT new'), 15_000);
    expect(seen.sort()).toEqual(['DELETE gone', 'PUT n', 'PUT new']);
  });

  it('has no value on disk that a watch refused', async () => {
    const schema = z.number();
    const first = open();
    await first.config.set('n', 1);
    const seen: unknown[] = [];
    first.config.watch('n', { schema }).subscribe((value) => seen.push(value));
    await until(() => seen.length === 1);
    await first.put('/config/test/orders/n', '"bad"');
    await until(() => first.config.status.degraded);
    await first.close();
    // The first run saw 1 before it was refused, but had no time to write it down: then there is nothing, never the bad one.
    expect(await bytes()).not.toContain('bad');
    const second = open();
    await second.put('/config/test/orders/n', '2');
    second.config.watch('n', { schema }).subscribe((value) => seen.push(value));
    await until(() => seen.length === 2);
    await second.close();
    const third = open();
    await third.put('/config/test/orders/n', '"bad"');
    third.config.watch('n', { schema }).subscribe();
    await until(() => third.config.status.degraded);
    await third.close();
    etcd.faults.network.refuse();
    open()
      .config.watch('n', { schema })
      .subscribe((value) => seen.push(value));
    await until(() => seen.length === 3);
    expect(seen).toEqual([1, 2, 2]);
  });

  it('counts the age of a snapshot from when it was last known to be current', async () => {
    const savedAt = async (): Promise<number> => {
      const [file] = (await readdir(dir)).filter((name) => name.endsWith('.snap'));
      const text = file === undefined ? undefined : await readSnapshot(join(dir, file));
      return text === undefined ? 0 : fromText(text).savedAt;
    };
    const room = open(undefined, 4_000);
    await room.config.set('n', 1);
    await room.config.live('n');
    // Nothing changes from here on.
    const changed = Date.now();
    while ((await savedAt()) < changed + 1_500) await new Promise((resolve) => setTimeout(resolve, 50));
    const closing = Date.now();
    await room.close();
    expect(await savedAt()).toBeGreaterThanOrEqual(closing);
  }, 30_000);

  it('says at a normal start that it is connecting, then that it is live', async () => {
    const room = open();
    const states: string[] = [];
    room.config.status$.subscribe(({ state, origin }) => states.push(`${state} ${origin}`));
    await room.config.get('n', { default: 1 });
    await until(() => room.config.status.state === 'live');
    expect(states).toEqual(['idle none', 'connecting none', 'live etcd']);
    etcd.faults.cutStreams();
    await until(() => states.includes('stale etcd'));
    await until(() => room.config.status.state === 'live');
    await room.close();
    expect(states.at(-1)).toBe('closed etcd');
  });
});
