import { concatMap, firstValueFrom } from 'rxjs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { ClosedError } from '../../../lib/errors/closed.error.js';
import { ConfigConflictError } from '../../../lib/errors/config-conflict.error.js';
import { ConfigInvalidError } from '../../../lib/errors/config-invalid.error.js';
import { ConfigNotFoundError } from '../../../lib/errors/config-not-found.error.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { type EtcdUnderTest, etcdKinds, startEtcdOf } from '../etcd-kinds.js';
import { ConfigRoom, until } from './config-room.js';

describe.each(await etcdKinds())('ConfigCenter on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let room: ConfigRoom;
  let other: ConfigRoom;
  let turn = 0;

  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
  });
  afterAll(() => etcd.stop());
  beforeEach(() => {
    const env = `t${++turn}`;
    room = new ConfigRoom(etcd.endpoints, { env });
    other = new ConfigRoom(etcd.endpoints, { env });
  });
  afterEach(async () => {
    await room.close();
    await other.close();
  });

  const own = (key: string): string => `/config/t${turn}/orders/${key}`;

  describe('reading and writing', () => {
    it('reads back what it wrote, at once, by the relative and by the absolute key', async () => {
      const version = await room.config.set('db', { url: 'db:5432', pool: 5 });
      expect(await room.config.get('db')).toEqual({ url: 'db:5432', pool: 5 });
      expect(await room.config.getWithVersion(own('db'))).toEqual({
        value: { url: 'db:5432', pool: 5 },
        version,
      });
    });

    it('sees each of a hundred own writes in the read that follows', async () => {
      await room.config.set('n', 0);
      for (let n = 1; n <= 100; n++) {
        await room.config.set('n', n);
        expect(await room.config.get('n')).toBe(n);
      }
    });

    it('stores plain JSON under the absolute key, as any tool reads it', async () => {
      await room.config.set('db', { pool: 5 });
      const { kvs } = await room.client.range({ key: own('db') });
      expect(kvs[0]!.value.toString()).toBe('{"pool":5}');
    });

    it('gives frozen values: they are shared', async () => {
      await room.config.set('db', { pool: { max: 5 } });
      const value = await room.config.get<{ pool: { max: number } }>('db');
      expect(Object.isFrozen(value.pool)).toBe(true);
    });

    it('says that a key does not exist, or gives the default', async () => {
      await expect(room.config.get('nothing')).rejects.toBeInstanceOf(ConfigNotFoundError);
      expect(await room.config.get('nothing', { default: 7 })).toBe(7);
      expect(await room.config.getWithVersion('nothing', { default: 7 })).toEqual({ value: 7, version: 0n });
    });

    it('refuses what does not satisfy the schema, and names paths without values', async () => {
      await room.config.set('db', { pool: 'hush-canary' });
      const schema = z.object({ pool: z.number() });
      const error = await room.config.get('db', { schema }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ConfigInvalidError);
      expect((error as ConfigInvalidError).issues.map(({ path }) => path)).toEqual(['pool']);
      expect((error as ConfigInvalidError).message).toContain(own('db'));
      expect((error as ConfigInvalidError).message).not.toContain('hush-canary');
    });

    it('refuses bytes that are not JSON without repeating them', async () => {
      await room.put(own('db'), 'hush-canary{');
      const error = (await room.config.get('db').catch((reason: unknown) => reason)) as Error;
      expect(error).toBeInstanceOf(ConfigInvalidError);
      expect(error.message).toContain('is not JSON');
      expect(error.message).not.toContain('hush-canary');
    });

    it('deletes, and says whether there was something', async () => {
      await room.config.set('db', 1);
      expect(await room.config.delete('db')).toBe(true);
      expect(await room.config.delete('db')).toBe(false);
      await expect(room.config.get('db')).rejects.toBeInstanceOf(ConfigNotFoundError);
    });

    it('lists absolute keys by whole segments', async () => {
      await room.config.set('app/a', 1);
      await room.config.set('app/b', 1);
      await room.config.set('app2/c', 1);
      const app = [own('app/a'), own('app/b')];
      expect(await room.config.list('app')).toEqual(app);
      expect(await room.config.list('app/')).toEqual(app);
      expect(await room.config.list('app', { linearizable: true })).toEqual(app);
      expect(await room.config.list()).toEqual([...app, own('app2/c')]);
    });

    it('reads and lists another environment, outside of its own scope', async () => {
      await room.config.set('/config/elsewhere/x', 1);
      expect(await room.config.get('/config/elsewhere/x')).toBe(1);
      expect(await room.config.list('/config/elsewhere')).toEqual(['/config/elsewhere/x']);
      await room.config.delete('/config/elsewhere/x');
    });

    it('sees the newest write of another process with linearizable', async () => {
      await room.config.set('n', 1);
      for (let n = 2; n < 30; n++) {
        await other.config.set('n', n);
        expect(await room.config.get('n', { linearizable: true })).toBe(n);
      }
    });

    it('reads text and YAML keys of other tools', async () => {
      await room.put(own('motd'), 'hello\nworld');
      await room.put(own('rules'), 'limits:\n  - 1\n  - 2\n');
      expect(await room.config.get('motd', { codec: 'text' })).toBe('hello\nworld');
      expect(await room.config.get('rules', { codec: 'yaml' })).toEqual({ limits: [1, 2] });
      await room.config.set('rules', { limits: [3] }, { codec: 'yaml' });
      expect((await room.client.range({ key: own('rules') })).kvs[0]!.value.toString()).toBe(
        'limits:\n  - 3\n',
      );
    });

    it.each(['', '/', 'a//b', '../x', 'a/../b', './a', 'a/', 'a\nb', 'a\u0000', '/other/x', 42, undefined])(
      'refuses the key %j before anything is sent',
      async (key) => {
        const error = await room.config.get(key as string).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(ValidationError);
        expect((error as ValidationError).argument).toBe('key');
        await expect(room.config.set(key as string, 1)).rejects.toBeInstanceOf(ValidationError);
        expect(() => room.config.watch(key as string)).toThrow(ValidationError);
      },
    );

    it.each([undefined, () => 1, Symbol('x'), 1n])('refuses to write %s', async (value) => {
      await expect(room.config.set('x', value)).rejects.toBeInstanceOf(ValidationError);
    });
  });

  describe('conditions and transactions', () => {
    it('writes under the version that was read, and tells the actual one otherwise', async () => {
      const first = await room.config.compareAndSet('n', 1, 0n);
      const second = await room.config.compareAndSet('n', 2, first);
      const error = await other.config.compareAndSet('n', 3, first).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ConfigConflictError);
      expect((error as ConfigConflictError).actualVersion).toBe(second);
      await expect(room.config.compareAndSet('n', 3, 0n)).rejects.toMatchObject({ actualVersion: second });
      await expect(room.config.compareAndSet('none', 3, 5n)).rejects.toMatchObject({ actualVersion: 0n });
      expect(await room.config.get('n')).toBe(2);
    });

    it('counts exactly when two processes increment by compare-and-set', async () => {
      await room.config.set('n', 0);
      const increment = async ({ config }: ConfigRoom): Promise<void> => {
        for (;;) {
          const { value, version } = await config.getWithVersion<number>('n');
          try {
            await config.compareAndSet('n', value + 1, version);
            return;
          } catch (error) {
            if (!(error instanceof ConfigConflictError)) throw error;
          }
        }
      };
      const worker = async (which: ConfigRoom): Promise<void> => {
        for (let n = 0; n < 50; n++) await increment(which);
      };
      await Promise.all([worker(room), worker(other)]);
      expect(await room.config.get('n', { linearizable: true })).toBe(100);
    });

    it('writes several keys in one revision, or none', async () => {
      const a = await room.config.set('a', 1);
      const revision = await room.config.transaction((tx) => tx.set('b', 2).delete('a').expect('a', a));
      expect(await room.config.getWithVersion('b')).toEqual({ value: 2, version: revision });
      await expect(room.config.get('a')).rejects.toBeInstanceOf(ConfigNotFoundError);
      const late = room.config.transaction((tx) => tx.set('b', 3).set('c', 3).expect('b', 1n));
      await expect(late).rejects.toMatchObject({ key: own('b'), actualVersion: revision });
      await expect(room.config.get('c')).rejects.toBeInstanceOf(ConfigNotFoundError);
    });

    it('refuses an empty transaction and a version that is none', async () => {
      await expect(room.config.transaction(() => undefined)).rejects.toBeInstanceOf(ValidationError);
      await expect(room.config.compareAndSet('n', 1, 1 as unknown as bigint)).rejects.toBeInstanceOf(
        ValidationError,
      );
    });
  });

  describe('watching', () => {
    it('gives the current value, then every change, then undefined when the key is deleted', async () => {
      await room.config.set('n', 1);
      const seen: unknown[] = [];
      room.config.watch('n').subscribe((value) => seen.push(value));
      await until(() => seen.length === 1);
      await other.config.set('n', 2);
      await other.config.delete('n');
      await other.config.set('n', 3);
      await until(() => seen.length === 4);
      expect(seen).toEqual([1, 2, undefined, 3]);
    });

    it('starts with undefined, or the default, for a key that does not exist', async () => {
      const seen: unknown[] = [];
      room.config.watch('n').subscribe((value) => seen.push(value));
      room.config.watch('n', { default: 9 }).subscribe((value) => seen.push(value));
      await until(() => seen.length === 2);
      expect(seen).toEqual([undefined, 9]);
    });

    it('replays the latest value to each new subscriber, at once', async () => {
      await room.config.set('n', 1);
      await room.config.get('n');
      const seen: unknown[] = [];
      room.config.watch('n').subscribe((value) => seen.push(value));
      expect(seen).toEqual([1]);
    });

    it('does not repeat a value that was written again unchanged', async () => {
      const seen: unknown[] = [];
      room.config.watch('n').subscribe((value) => seen.push(value));
      await room.config.set('n', { a: 1 });
      await room.config.set('n', { a: 1 });
      await room.config.set('n', { a: 2 });
      await until(() => seen.length >= 3);
      expect(seen).toEqual([undefined, { a: 1 }, { a: 2 }]);
    });

    it('never delivers what fails the schema, and logs paths without values', async () => {
      const seen: unknown[] = [];
      room.config
        .watch('n', { schema: z.object({ pool: z.number() }) })
        .subscribe((value) => seen.push(value));
      await room.config.set('n', { pool: 1 });
      await room.config.set('n', { pool: 'hush-canary' });
      await room.put(own('n'), 'hush-canary');
      await room.config.set('n', { pool: 2 });
      await until(() => seen.length === 3);
      expect(seen).toEqual([undefined, { pool: 1 }, { pool: 2 }]);
      expect(room.lines.filter(({ message }) => message.startsWith('configuration refused'))).toHaveLength(2);
      expect(JSON.stringify(room.lines)).not.toContain('hush-canary');
    });

    it('emits one map for each revision, by whole segments', async () => {
      await room.config.set('app/a', 1);
      await room.config.set('app2/x', 1);
      const seen: ReadonlyMap<string, number>[] = [];
      room.config.watchPrefix<number>('app').subscribe((map) => seen.push(map));
      await until(() => seen.length === 1);
      await other.config.transaction((tx) => tx.set('app/a', 2).set('app/b', 2).set('app2/x', 2));
      await other.config.set('app2/x', 3);
      await other.config.delete('app/a');
      await until(() => seen.length === 3);
      expect(seen.map((map) => Object.fromEntries(map))).toEqual([
        { [own('app/a')]: 1 },
        { [own('app/a')]: 2, [own('app/b')]: 2 },
        { [own('app/b')]: 2 },
      ]);
    });

    it('says of a watch that begins with a bad value that it is degraded', async () => {
      await room.config.set('bad', 'text');
      await room.config.get('bad');
      const schema = z.number();
      const watching = room.config.watch('bad', { schema }).subscribe();
      const watchingAll = room.config.watchPrefix('', { schema }).subscribe();
      expect(room.config.status).toMatchObject({ degraded: true, rejected: [own('bad')] });
      watching.unsubscribe();
      watchingAll.unsubscribe();
      expect(room.config.status.degraded).toBe(false);
    });

    it('tells events of a key and of a folder from now on', async () => {
      const seen: unknown[] = [];
      room.config.events('app').subscribe((event) => seen.push(event));
      const one = await room.config.set('app', 1);
      const two = await room.config.set('app/x', 2);
      await room.config.set('app2', 3);
      const revision = await room.config.transaction((tx) => tx.delete('app/x'));
      await until(() => seen.length === 3);
      expect(seen).toEqual([
        { type: 'PUT', key: own('app'), value: 1, version: one },
        { type: 'PUT', key: own('app/x'), value: 2, version: two },
        { type: 'DELETE', key: own('app/x'), version: revision },
      ]);
    });

    it('watches keys outside of its scope by a mirror of their own, shared and closed with the last', async () => {
      const mirror = vi.spyOn(room.client, 'mirror');
      const seen: unknown[] = [];
      const first = room.config.watch('/config/elsewhere/y').subscribe((value) => seen.push(value));
      const second = room.config.watch('/config/elsewhere/y').subscribe((value) => seen.push(value));
      await room.config.set('/config/elsewhere/y', 1);
      await until(() => seen.length === 4);
      expect(mirror).toHaveBeenCalledTimes(1);
      first.unsubscribe();
      second.unsubscribe();
      const third = room.config.watch('/config/elsewhere/y').subscribe((value) => seen.push(value));
      await until(() => seen.length === 5);
      expect(mirror).toHaveBeenCalledTimes(2);
      third.unsubscribe();
      await room.config.delete('/config/elsewhere/y');
    });

    it('costs one etcd watch for a thousand watched keys', async () => {
      const mirror = vi.spyOn(room.client, 'mirror');
      const seen = new Map<number, unknown>();
      for (let n = 0; n < 1_000; n++) {
        room.config.watch(`many/${n}`).subscribe((value) => seen.set(n, value));
      }
      await room.config.set('many/999', 'x');
      await until(() => seen.get(999) === 'x');
      expect(mirror).toHaveBeenCalledTimes(1);
    });

    it('goes on for everybody when one subscriber throws', async () => {
      const seen: unknown[] = [];
      room.config.watch('n').subscribe(() => {
        throw new Error('subscriber');
      });
      room.config.watch('n').subscribe((value) => seen.push(value));
      await room.config.set('n', 1);
      await room.config.set('n', 2);
      await until(() => seen.length === 3);
      expect(seen).toEqual([undefined, 1, 2]);
      expect(room.lines.filter(({ level }) => level === 'error').length).toBe(3);
    });

    it('waits for no subscriber that takes its time', async () => {
      const seen: unknown[] = [];
      const handled: unknown[] = [];
      let go: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => (go = resolve));
      room.config
        .watch('n')
        .pipe(
          concatMap(async (value) => {
            await gate;
            return value;
          }),
        )
        .subscribe((value) => handled.push(value));
      room.config.watch('n').subscribe((value) => seen.push(value));
      for (let n = 1; n <= 3; n++) await room.config.set('n', n);
      await until(() => seen.length === 4);
      expect(handled).toEqual([]);
      go();
      await until(() => handled.length === 4);
      expect(handled).toEqual([undefined, 1, 2, 3]);
    });

    it('may be left with the first value, whether it is there already or not', async () => {
      const first = firstValueFrom(room.config.watch('n'));
      await room.config.set('n', 1);
      expect(await first).toBeUndefined();
      await room.config.get('n');
      expect(await firstValueFrom(room.config.watch('n'))).toBe(1);
      let done = false;
      room.config
        .watch('n')
        .subscribe({ next: () => void room.config.close(), complete: () => (done = true) });
      expect(done).toBe(true);
    });

    if (kind === 'binary') {
      it('follows a store that was wiped, although revisions begin anew', async () => {
        const first = await room.config.set('n', { from: 'old' });
        const live = await room.config.live<{ from: string }>('n');
        const seen: unknown[] = [];
        room.config.watch<{ from: string }>('n').subscribe((value) => seen.push(value?.from));
        await until(() => seen.length === 1);
        await etcd.process!.wipe();
        await other.client.ready({ timeout: 10_000 });
        // Up to the very revision that the value had in the old store.
        for (;;) {
          const version = await other.put(own('n'), JSON.stringify({ from: 'new' }));
          if (version >= first) break;
        }
        await until(() => live.value.from === 'new', 15_000);
        await until(() => seen.at(-1) === 'new');
        expect(seen.filter((from) => from === 'old')).toHaveLength(1);
        expect(await room.config.get('n')).toEqual({ from: 'new' });
      });
    }

    it('completes only when the centre closes; later calls say that it is closed', async () => {
      const done: string[] = [];
      room.config.watch('n').subscribe({ complete: () => done.push('watch') });
      room.config.watchPrefix('app').subscribe({ complete: () => done.push('prefix') });
      room.config.events('app').subscribe({ complete: () => done.push('events') });
      await room.config.set('n', 1);
      expect(done).toEqual([]);
      await room.config.close();
      await room.config.close();
      expect(done.sort()).toEqual(['events', 'prefix', 'watch']);
      await expect(room.config.get('n')).rejects.toBeInstanceOf(ClosedError);
      await expect(room.config.set('n', 1)).rejects.toBeInstanceOf(ClosedError);
      await expect(room.config.live('n')).rejects.toBeInstanceOf(ClosedError);
    });

    it('gives the nearest value: the own one, else the global one, else undefined', async () => {
      const seen: unknown[] = [];
      const [global, mine] = [`/config/t${turn}/global/clog`, own('clog')];
      room.config.watchNearest('clog').subscribe((value) => seen.push(value));
      await room.config.set(global, { level: 'info' });
      await room.config.set(mine, { level: 'debug' });
      await room.config.set(global, { level: 'warn' });
      await room.config.delete(mine);
      await room.config.delete(global);
      await until(() => seen.length === 5);
      expect(seen).toEqual([undefined, { level: 'info' }, { level: 'debug' }, { level: 'warn' }, undefined]);
    });
  });
});
