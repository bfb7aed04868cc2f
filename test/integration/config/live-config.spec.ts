import { inspect } from 'node:util';
import { type } from 'arktype';
import * as v from 'valibot';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineConfig } from '../../../lib/coord/config/config.definition.js';
import type { ConfigSchema } from '../../../lib/coord/config/config-schema.js';
import { secret } from '../../../lib/coord/config/secret.js';
import { ConfigInvalidError } from '../../../lib/errors/config-invalid.error.js';
import { ConfigNotFoundError } from '../../../lib/errors/config-not-found.error.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { CoordUnavailableError } from '../../../lib/errors/coord-unavailable.error.js';
import { type EtcdUnderTest, etcdKinds, startEtcdOf } from '../etcd-kinds.js';
import { ConfigRoom, until } from './config-room.js';

const Pool = z.object({ url: z.string(), pool: z.object({ min: z.number(), max: z.number() }) });
const good = { url: 'db', pool: { min: 1, max: 5 } };

describe.each(await etcdKinds())('LiveConfig on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let room: ConfigRoom;
  let turn = 0;

  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
  });
  afterAll(() => etcd.stop());
  beforeEach(() => {
    room = new ConfigRoom(etcd.endpoints, { env: `t${++turn}` });
  });
  afterEach(() => room.close());

  const own = (name = 'db'): string => `/config/t${turn}/orders/${name}`;
  const global = (name = 'db'): string => `/config/t${turn}/global/${name}`;

  describe('one key', () => {
    it('follows the key: frozen, synchronous, with its version', async () => {
      const first = await room.config.set('db', good);
      const live = await room.config.live('db', { schema: Pool });
      expect(live.value).toEqual(good);
      expect(live.version).toBe(first);
      expect(Object.isFrozen(live.value.pool)).toBe(true);
      const seen: number[] = [];
      live.changes$.subscribe(({ pool }) => seen.push(pool.max));
      const second = await room.config.set('db', { ...good, pool: { min: 1, max: 9 } });
      await until(() => seen.length === 2);
      expect(seen).toEqual([5, 9]);
      expect(live.version).toBe(second);
    });

    it('keeps the last good value, reports paths without values, and recovers', async () => {
      await room.config.set('db', good);
      const live = await room.config.live('db', { schema: Pool });
      const rejected: unknown[] = [];
      live.rejected$.subscribe((rejection) => rejected.push(rejection));
      const bad = await room.put(own(), JSON.stringify({ ...good, pool: { min: 'hush-canary', max: 5 } }));
      await until(() => rejected.length === 1);
      const issues = [{ path: 'pool.min', message: expect.not.stringContaining('hush-canary') as string }];
      expect(rejected).toEqual([{ key: own(), revision: bad, issues }]);
      expect(live.value).toEqual(good);
      expect(room.config.status).toMatchObject({ state: 'live', degraded: true, rejected: [own()] });
      await room.put(own(), '{"url"');
      await until(() => rejected.length === 2);
      await room.remove(own());
      await until(() => rejected.length === 3);
      expect(live.value).toEqual(good);
      await room.put(own(), JSON.stringify({ ...good, url: 'db2' }));
      await until(() => live.value.url === 'db2');
      expect(room.config.status).toMatchObject({ degraded: false, rejected: [] });
      expect(JSON.stringify(room.lines)).not.toContain('hush-canary');
    });

    it('starts with the default when the key is missing or bad, and fails without one, naming key and issues', async () => {
      const missing = await room.config.live('db', { schema: Pool }).catch((error: unknown) => error);
      expect(missing).toBeInstanceOf(ConfigNotFoundError);
      expect((missing as Error).message).toContain(own());
      expect((await room.config.live('db', { schema: Pool, default: good })).value).toEqual(good);
      await room.config.set('db', { url: 1, pool: { min: 1 } }, { validate: false });
      const bad = (await room.config.live('db', { schema: Pool }).catch((error: unknown) => error)) as Error;
      expect(bad).toBeInstanceOf(ConfigInvalidError);
      expect(bad.message).toContain(own());
      expect(bad.message).toContain('url');
      expect(bad.message).toContain('pool.max');
      const live = await room.config.live('db', { schema: Pool, default: good });
      expect(live.value).toEqual(good);
      expect(live.rejected?.issues.map(({ path }) => path)).toEqual(['url']);
    });

    it('refuses to write what its schema refuses, in every way of writing', async () => {
      await room.config.set('db', good);
      const live = await room.config.live('db', { schema: Pool });
      const bad = { url: 'x' };
      await expect(room.config.set('db', bad)).rejects.toBeInstanceOf(ConfigInvalidError);
      await expect(room.config.compareAndSet('db', bad, live.version)).rejects.toBeInstanceOf(
        ConfigInvalidError,
      );
      await expect(room.config.transaction((tx) => tx.set('db', bad))).rejects.toBeInstanceOf(
        ConfigInvalidError,
      );
      expect(await room.config.get('db')).toEqual(good);
      live.close();
      await room.config.set('db', bad);
    });

    it.each([undefined, 7, {}, { name: 'db' }, 'a//b'])('refuses %j for a target', async (target) => {
      await expect(room.config.live(target as string)).rejects.toBeInstanceOf(ValidationError);
    });

    it('completes its streams at close', async () => {
      const live = await room.config.live('db', { default: 1 });
      let done = 0;
      live.changes$.subscribe({ complete: () => done++ });
      live.rejected$.subscribe({ complete: () => done++ });
      live.close();
      live.close();
      expect(done).toBe(2);
      expect(live.value).toBe(1);
    });
  });

  describe('layers', () => {
    it('merges default, global, service and environment, and validates what they make together', async () => {
      await room.close();
      room = new ConfigRoom(etcd.endpoints, { env: `t${turn}`, config: { env: { DB_MAX: '50' } } });
      await room.config.set(global(), { url: 'shared', pool: { max: 10 } });
      const second = await room.config.set(own(), { pool: { max: 20 } });
      const definition = defineConfig('db', {
        schema: Pool,
        default: { pool: { min: 2 } },
        env: { 'pool.max': 'DB_MAX' },
      });
      const live = await room.config.live(definition);
      expect(live.value).toEqual({ url: 'shared', pool: { min: 2, max: 50 } });
      expect(live.version).toBe(second);
      expect(live.explain('pool.max')).toMatchObject({ name: 'env', value: 50 });
      expect(live.explain('pool.min')).toMatchObject({ name: 'default', value: 2, revision: 0n });
      expect(live.explain('url')).toMatchObject({ name: 'global', key: global(), value: 'shared' });
      expect(live.explain('nothing')).toBeUndefined();
    });

    it('falls back a layer when a key is deleted, and deletes what a layer sets to null', async () => {
      const definition = defineConfig('db', {
        schema: z.object({ url: z.string(), proxy: z.string().optional(), hosts: z.array(z.string()) }),
        default: { url: 'default', proxy: 'p', hosts: ['a', 'b'] },
      });
      const live = await room.config.live(definition);
      const seen: unknown[] = [];
      live.changes$.subscribe((value) => seen.push(value));
      await room.config.set(global(), { url: 'global', proxy: null });
      await room.config.set(own(), { hosts: ['c'] });
      await room.config.delete(own());
      await room.config.delete(global());
      await until(() => seen.length === 5);
      expect(seen).toEqual([
        { url: 'default', proxy: 'p', hosts: ['a', 'b'] },
        { url: 'global', hosts: ['a', 'b'] },
        { url: 'global', hosts: ['c'] },
        { url: 'global', hosts: ['a', 'b'] },
        { url: 'default', proxy: 'p', hosts: ['a', 'b'] },
      ]);
    });

    it('validates a write to one layer together with the others', async () => {
      await room.config.set(global(), { url: 'shared', pool: { min: 1, max: 5 } });
      await room.config.live(defineConfig('db', { schema: Pool }));
      await room.config.set(own(), { pool: { max: 7 } });
      await expect(room.config.set(own(), { pool: { max: 'x' } })).rejects.toBeInstanceOf(ConfigInvalidError);
      await expect(room.config.set(global(), { url: 'shared' })).rejects.toBeInstanceOf(ConfigInvalidError);
    });
  });

  describe('schemas', () => {
    it.each([
      ['zod', z.object({ max: z.number() })],
      ['valibot', v.object({ max: v.number() })],
      ['arktype', type({ max: 'number' })],
      [
        'asynchronous zod',
        z.object({ max: z.number() }).refine(async (value) => Promise.resolve(value.max > 0)),
      ],
    ])('takes %s schemas and never repeats a refused value', async (_, schema) => {
      await room.config.set('db', { max: 1 });
      const live = await room.config.live('db', { schema });
      const rejected: string[] = [];
      live.rejected$.subscribe(({ issues }) => rejected.push(...issues.map(({ path }) => path)));
      await room.put(own(), JSON.stringify({ max: 'hush-canary' }));
      await until(() => rejected.length === 1);
      expect(rejected).toEqual(['max']);
      await room.put(own(), JSON.stringify({ max: 2 }));
      await until(() => live.value.max === 2);
      expect(JSON.stringify(room.lines)).not.toContain('hush-canary');
    });

    it('finishes judging one value before the next where the schema takes its time, and ends with the newest', async () => {
      let judging = 0;
      let together = 0;
      const schema: ConfigSchema<{ n: number }> = {
        '~standard': {
          version: 1,
          vendor: 'spec',
          validate: async (value) => {
            const { n } = value as { n: number };
            together = Math.max(together, ++judging);
            await new Promise((resolve) => setTimeout(resolve, n === 2 ? 30 : 1));
            judging--;
            return n === 3 ? { issues: [{ message: 'is three' }] } : { value: { n } };
          },
        },
      };
      await room.config.set('n', { n: 1 });
      const live = await room.config.live('n', { schema });
      const seen: number[] = [];
      live.changes$.subscribe(({ n }) => seen.push(n));
      for (const n of [2, 3, 4, 5]) await room.put(own('n'), JSON.stringify({ n }));
      await until(() => live.value.n === 5);
      expect(seen[0]).toBe(1);
      expect(seen).not.toContain(3);
      expect(seen.toSorted((a, b) => a - b)).toEqual(seen);
      expect(together).toBe(1);
    });
  });

  describe('veto', () => {
    it('keeps the last good value when onBeforeApply says no or throws', async () => {
      const asked: [number | undefined, number][] = [];
      await room.config.set('n', 1);
      const live = await room.config.live('n', {
        schema: z.number(),
        onBeforeApply: async (previous, next) => {
          asked.push([previous, next]);
          if (next === 3) throw new Error('hush-canary');
          return Promise.resolve(next !== 2);
        },
      });
      const rejected: string[] = [];
      live.rejected$.subscribe(({ issues }) => rejected.push(issues[0]!.message));
      await room.config.set('n', 2);
      await until(() => rejected.length === 1);
      await room.config.set('n', 3);
      await until(() => rejected.length === 2);
      expect(live.value).toBe(1);
      await room.config.set('n', 4);
      await until(() => live.value === 4);
      expect(asked).toEqual([
        [undefined, 1],
        [1, 2],
        [1, 3],
        [1, 4],
      ]);
      expect(rejected).toEqual(['refused by onBeforeApply', 'onBeforeApply threw Error']);
    });
  });

  describe('secrets', () => {
    it('are values to reveal, and show in no print, log, explanation or event', async () => {
      const schema = z.object({ user: z.string(), pass: z.string().transform(secret) });
      await room.config.set('db', { user: 'u', pass: 'hush-canary1' });
      const live = await room.config.live('db', { schema });
      expect(live.value.pass.reveal()).toBe('hush-canary1');
      const printed = [inspect(live), inspect(live.value), JSON.stringify(live), String(live.value.pass)];
      printed.push(inspect(live.explain('pass')), inspect(live.explain('')));
      const changes: unknown[] = [];
      live.changes$.subscribe((value) => changes.push(value));
      await room.put(own(), JSON.stringify({ user: 'u', pass: 'hush-canary2' }));
      await until(() => live.value.pass.reveal() === 'hush-canary2');
      expect(changes).toHaveLength(2);
      await room.put(own(), JSON.stringify({ user: 7, pass: 'hush-canary3' }));
      await until(() => live.rejected !== undefined);
      printed.push(inspect(live.rejected), JSON.stringify(room.lines), inspect(changes, { depth: 9 }));
      expect(printed.join('\n')).not.toContain('hush-canary');
      expect(printed.join('\n')).toContain('[secret]');
    });

    it('are written back revealed when a value is changed and set', async () => {
      const schema = z.object({ n: z.number(), pass: z.string().transform(secret) });
      await room.config.set('db', { n: 1, pass: 'hush-canary' });
      const live = await room.config.live('db', { schema });
      await room.config.set('db', { ...live.value, n: 2 });
      expect(await room.config.get('db')).toEqual({ n: 2, pass: 'hush-canary' });
    });

    it('are left out of events by key pattern and by telling names', async () => {
      await room.close();
      room = new ConfigRoom(etcd.endpoints, { env: `t${turn}`, config: { secrets: ['*/vault/*'] } });
      const seen: unknown[] = [];
      room.config.events('').subscribe((event) => seen.push(event));
      await room.config.set('vault/x', 'hush-canary');
      await room.config.set('db', { host: 'h', password: 'hush-canary', tls: { privateKey: 'hush-canary' } });
      await until(() => seen.length === 2);
      expect(
        JSON.stringify(seen, (_, value: unknown) => (typeof value === 'bigint' ? 0 : value)),
      ).not.toContain('hush-canary');
      expect(seen[1]).toMatchObject({
        value: { host: 'h', password: '[secret]', tls: { privateKey: '[secret]' } },
      });
      expect(await room.config.get('vault/x')).toBe('hush-canary');
    });
  });
});

describe('LiveConfig without etcd', () => {
  it('starts with the default within the dial timeout, else says that etcd does not answer', async () => {
    await using room = new ConfigRoom(['127.0.0.1:1'], { dialTimeout: 200 });
    const started = performance.now();
    const live = await room.config.live('db', { schema: Pool, default: good });
    expect(performance.now() - started).toBeLessThan(1_000);
    expect(live.value).toEqual(good);
    const error = await room.config.live('db', { schema: Pool }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CoordUnavailableError);
    await expect(room.config.get('db', { timeout: 100 })).rejects.toBeInstanceOf(CoordUnavailableError);
  });
});
