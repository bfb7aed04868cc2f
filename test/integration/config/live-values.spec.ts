import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineConfig } from '../../../lib/coord/config/config.definition.js';
import type { ConfigSchema } from '../../../lib/coord/config/config-schema.js';
import { secret } from '../../../lib/coord/config/secret.js';
import { ConfigInvalidError } from '../../../lib/errors/config-invalid.error.js';
import { EmbeddedEtcd } from '../../../lib/testing/index.js';
import { ConfigRoom, until } from './config-room.js';

/** What tells two of them apart is nobody's to see. */
class Cidr {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  get text(): string {
    return this.#text;
  }
}

describe('what a live value shows', () => {
  let etcd: EmbeddedEtcd;
  let room: ConfigRoom;
  let turn = 0;

  beforeAll(async () => {
    etcd = await EmbeddedEtcd.start();
  });
  afterAll(() => etcd.stop());
  beforeEach(() => {
    room = new ConfigRoom([etcd.endpoint], { env: `t${++turn}` });
  });
  afterEach(() => room.close());

  const own = (name = 'db'): string => `/config/t${turn}/orders/${name}`;
  const global = (name = 'db'): string => `/config/t${turn}/global/${name}`;

  describe('follows the newest value', () => {
    it.each<[string, (text: string) => unknown, (value: unknown) => unknown]>([
      ['a class with private fields', (text) => new Cidr(text), (value) => (value as Cidr).text],
      ['URLSearchParams', (text) => new URLSearchParams({ text }), String],
      [
        'a map',
        (text) => new Map([['a', secret(text)]]),
        (value) =>
          inspect(
            [...(value as Map<string, ReturnType<typeof secret>>).values()].map((each) => each.reveal()),
          ),
      ],
      ['a plain object', (text) => ({ text }), (value) => JSON.stringify(value)],
    ])('where the schema makes %s of it', async (_, make, show) => {
      await room.config.set('db', 'first');
      const live = await room.config.live('db', {
        schema: z.string().transform((text) => ({ made: make(text) })),
      });
      const seen: unknown[] = [];
      live.changes$.subscribe(({ made }) => seen.push(show(made)));
      await room.config.set('db', 'second');
      await until(() => seen.length === 2);
      expect(seen[0]).toContain('first');
      expect(seen[1]).toContain('second');
      expect(show(live.value.made)).toContain('second');
      // Written again as it is: no change, whatever the schema makes.
      const version = await room.config.set('db', 'second');
      await until(() => live.version === version);
      expect(seen).toHaveLength(2);
    });

    it('and says nothing where the schema takes out what has changed', async () => {
      await room.config.set('db', { n: 1, comment: 'a' });
      const live = await room.config.live('db', { schema: z.object({ n: z.number() }) });
      let seen = 0;
      live.changes$.subscribe(() => seen++);
      const version = await room.config.set('db', { n: 1, comment: 'b' });
      await until(() => live.version === version);
      expect(seen).toBe(1);
    });
  });

  it('is frozen to the last property, and the default that the caller gave is not', async () => {
    await room.config.set('db', { pool: { max: 1 } });
    const schema = z.object({ pool: z.object({ max: z.number() }) }).readonly();
    const live = await room.config.live('db', { schema });
    expect(Object.isFrozen(live.value.pool)).toBe(true);
    const mine = { pool: { max: 1 } };
    expect(Object.isFrozen(await room.config.get('none', { default: mine }))).toBe(true);
    const byDefault = await room.config.live<typeof mine>('none', { default: mine });
    expect(Object.isFrozen(byDefault.value.pool)).toBe(true);
    expect(Object.isFrozen(mine) || Object.isFrozen(mine.pool)).toBe(false);
    mine.pool.max = 9;
    expect(byDefault.value.pool.max).toBe(1);
  });

  it('is never what a schema has not settled yet, whichever promise it gives', async () => {
    const promise = runInNewContext('(result) => Promise.resolve(result)') as (result: unknown) => unknown;
    const schema = {
      '~standard': {
        version: 1,
        vendor: 'spec',
        validate: (value: unknown) => {
          // A promise, but none of this realm.
          return promise(value === 2 ? { issues: [{ message: 'is two' }] } : { value });
        },
      },
    } as unknown as ConfigSchema<number>;
    await room.config.set('n', 1);
    const live = await room.config.live('n', { schema });
    expect(live.value).toBe(1);
    await room.put(own('n'), '2');
    await until(() => live.rejected !== undefined);
    expect(live.value).toBe(1);
    await expect(room.config.get('n', { schema })).rejects.toBeInstanceOf(ConfigInvalidError);
  });

  describe('layers that are written together', () => {
    const Range = z
      .object({ min: z.number(), max: z.number() })
      .refine(({ min, max }) => min <= max, 'order');

    it('are judged together: a good pair is written, a bad one is not', async () => {
      await room.config.set(global('p'), { min: 1 });
      await room.config.set('p', { max: 5 });
      const live = await room.config.live(defineConfig('p', { schema: Range }));
      await room.config.transaction((tx) => tx.set(global('p'), { min: 10 }).set('p', { max: 20 }));
      await until(() => live.value.min === 10);
      // Each of them would do beside the old other one.
      const bad = room.config.transaction((tx) => tx.set(global('p'), { min: 15 }).set('p', { max: 12 }));
      await expect(bad).rejects.toBeInstanceOf(ConfigInvalidError);
      await room.config.transaction((tx) => tx.delete(global('p')).set('p', { min: 1, max: 2 }));
      await until(() => live.value.max === 2);
      expect(live.value).toEqual({ min: 1, max: 2 });
    });

    it('are judged with the last good one in place of another that is broken', async () => {
      await room.config.set(global('p'), { min: 1 });
      await room.config.set('p', { max: 5 });
      const live = await room.config.live(defineConfig('p', { schema: Range }));
      await room.put(global('p'), '{"min":');
      await until(() => live.rejected !== undefined);
      await expect(room.config.set('p', { max: 'x' })).rejects.toBeInstanceOf(ConfigInvalidError);
      await room.config.set('p', { max: 7 });
      await room.config.set(global('p'), { min: 2 });
      await until(() => live.value.min === 2);
      expect(live.value).toEqual({ min: 2, max: 7 });
    });

    it('are refused as bytes that the view cannot read', async () => {
      await room.config.live(defineConfig('p', { schema: Range, default: { min: 1, max: 2 } }));
      const text = room.config.set('p', 'no json', { codec: 'text' });
      await expect(text).rejects.toThrow('is not JSON');
    });

    it('name the key and the revision of a deletion that broke them', async () => {
      await room.config.set(global('p'), { min: 1 });
      await room.config.set('p', { max: 5 });
      const live = await room.config.live(defineConfig('p', { schema: Range }));
      const deleted = await room.config.transaction((tx) => tx.delete(global('p')));
      await until(() => live.rejected !== undefined);
      expect(live.rejected).toMatchObject({ key: global('p'), revision: deleted });
    });
  });

  it('may be set again with its schema, secrets and all', async () => {
    const schema = z.object({ n: z.number(), pass: z.string().transform(secret) });
    await room.config.set('db', { n: 1, pass: 'hush-canary' });
    const live = await room.config.live('db', { schema });
    await room.config.set<unknown>('db', { ...live.value, n: 2 }, { schema });
    await until(() => live.value.n === 2);
    expect(live.value.pass.reveal()).toBe('hush-canary');
    await expect(
      room.config.set<unknown>('db', { n: 'x', pass: secret('hush-canary') }, { schema }),
    ).rejects.toThrow('n: ');
  });

  describe('at its start', () => {
    it('is no default that onBeforeApply refuses', async () => {
      const definition = defineConfig('v', {
        schema: z.number(),
        default: 1,
        onBeforeApply: (_, next) => next !== 1,
      });
      const error = (await room.config.live(definition).catch((reason: unknown) => reason)) as Error;
      expect(error).toBeInstanceOf(ConfigInvalidError);
      expect(error.message).toContain('refused by onBeforeApply');
      await room.put(own('v'), '"x"');
      await expect(room.config.live(definition)).rejects.toBeInstanceOf(ConfigInvalidError);
      await room.put(own('v'), '2');
      expect((await room.config.live(definition)).value).toBe(2);
    });

    it('is there although changes outrun a schema that takes its time', async () => {
      const schema: ConfigSchema<unknown> = {
        '~standard': {
          version: 1,
          vendor: 'spec',
          validate: async (value) => {
            await new Promise((resolve) => setTimeout(resolve, 50));
            return { value };
          },
        },
      };
      await room.config.set('n', 0);
      const stop = new AbortController();
      const writing = (async () => {
        for (let n = 1; !stop.signal.aborted; n++) await room.config.set('n', n);
      })();
      const live = await room.config.live('n', { schema });
      expect(live.value).toEqual(expect.any(Number));
      stop.abort();
      await writing;
    });

    it('takes no longer than it may, whatever the schema does', async () => {
      const schema: ConfigSchema<unknown> = {
        '~standard': { version: 1, vendor: 'spec', validate: () => new Promise(() => undefined) },
      };
      await room.config.set('n', 0);
      await expect(room.config.live('n', { schema, timeout: 20 })).rejects.toThrow('was not judged in time');
      const reason = new Error('enough');
      const signal = AbortSignal.abort(reason);
      await expect(room.config.live('n', { schema, signal })).rejects.toBe(reason);
      const later = new AbortController();
      const waiting = room.config.live('n', { schema, signal: later.signal });
      later.abort(reason);
      await expect(waiting).rejects.toBe(reason);
    });
  });

  describe('when it is refused', () => {
    it('is told in one line, however many look at it, and counts once', async () => {
      await room.config.set('n', 1);
      const schema = z.number();
      const lives = await Promise.all([1, 2, 3].map(() => room.config.live('n', { schema })));
      for (let n = 0; n < 5; n++) room.config.watch('n', { schema }).subscribe();
      room.config.watchPrefix('', { schema: z.number() }).subscribe();
      const lines = (text: string) => room.lines.filter(({ message }) => message.startsWith(text));
      await room.put(own('n'), '"x"');
      await until(() => lives.every(({ rejected }) => rejected));
      expect(room.config.status).toMatchObject({ degraded: true, rejected: [own('n')] });
      expect(lines('configuration refused')).toHaveLength(1);
      await room.put(own('n'), '"y"');
      await until(() => lines('configuration refused').length === 2);
      await room.config.set('n', 2);
      await until(() => !room.config.status.degraded);
      expect(lines('configuration is good again')).toEqual([
        expect.objectContaining({ fields: { keys: [own('n')] } }),
      ]);
    });

    it.each([true, false])('degrades no longer than somebody looks at it (live: %s)', async (isLive) => {
      await room.config.set('n', 1);
      const schema = z.number();
      const look = async (): Promise<() => void> => {
        if (isLive) return room.config.live('n', { schema }).then((live) => () => live.close());
        let seen = false;
        const subscription = room.config.watch('n', { schema }).subscribe(() => (seen = true));
        await until(() => seen);
        return () => subscription.unsubscribe();
      };
      const close = await look();
      const states: boolean[] = [];
      room.config.status$.subscribe(({ degraded }) => states.push(degraded));
      await room.put(own('n'), '"x"');
      await until(() => room.config.status.degraded);
      close();
      expect(room.config.status).toMatchObject({ degraded: false, rejected: [] });
      expect(states.slice(-3)).toEqual([false, true, false]);
    });
  });
});
