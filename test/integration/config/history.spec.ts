import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigInvalidError } from '../../../lib/errors/config-invalid.error.js';
import { ConfigNotFoundError } from '../../../lib/errors/config-not-found.error.js';
import { type EtcdUnderTest, etcdKinds, startEtcdOf } from '../etcd-kinds.js';
import { ConfigRoom, until } from './config-room.js';

describe.each(await etcdKinds())('the history of a key on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let room: ConfigRoom;
  let turn = 0;

  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
  });
  afterAll(() => etcd.stop());
  beforeEach(() => {
    room = new ConfigRoom(etcd.endpoints, { env: `t${++turn}`, config: { history: { limit: 5 } } });
  });
  afterEach(() => room.close());

  it('keeps who wrote what and why, and what was there before it began', async () => {
    const before = await room.put(`/config/t${turn}/orders/n`, '0');
    const first = await room.config.set('n', 1, { author: 'ann', reason: 'try' });
    const second = await room.config.compareAndSet('n', 2, first, { author: 'bob' });
    const third = await room.config.transaction((tx) => tx.delete('n'), { reason: 'gone' });
    const history = await room.config.history('n');
    expect(history).toEqual([
      { version: third, at: expect.any(String) as string, reason: 'gone', deleted: true },
      { version: second, at: expect.any(String) as string, author: 'bob', deleted: false, value: 2 },
      {
        version: first,
        at: expect.any(String) as string,
        author: 'ann',
        reason: 'try',
        deleted: false,
        value: 1,
      },
      { version: before, deleted: false, value: 0 },
    ]);
  });

  it('is a ring: the oldest make room', async () => {
    for (let n = 1; n <= 12; n++) await room.config.set('n', n);
    expect((await room.config.history('n')).map(({ value }) => value)).toEqual([12, 11, 10, 9, 8]);
  });

  it('rolls back to a version, as a write of its own', async () => {
    const first = await room.config.set('n', { a: 1 });
    await room.config.set('n', { a: 2 });
    const back = await room.config.rollback('n', first, { author: 'ann' });
    expect(await room.config.getWithVersion('n')).toEqual({ value: { a: 1 }, version: back });
    expect((await room.config.history('n'))[0]).toMatchObject({
      version: back,
      author: 'ann',
      reason: `rollback to ${first}`,
      value: { a: 1 },
    });
    await expect(room.config.rollback('n', 1n)).rejects.toBeInstanceOf(ConfigNotFoundError);
  });

  it('rolls back to nothing that does not satisfy a schema', async () => {
    const first = await room.config.set('n', 'old');
    const second = await room.config.set('n', 2);
    await expect(room.config.rollback('n', first, { schema: z.number() })).rejects.toBeInstanceOf(
      ConfigInvalidError,
    );
    expect(await room.config.getWithVersion('n')).toEqual({ value: 2, version: second });
  });

  it('records every one of two writers at once', async () => {
    const other = new ConfigRoom(etcd.endpoints, { env: `t${turn}`, config: { history: true } });
    const twenty = new ConfigRoom(etcd.endpoints, { env: `t${turn}`, config: { history: true } });
    const write = async ({ config }: ConfigRoom, author: string): Promise<void> => {
      for (let n = 0; n < 8; n++) await config.set('n', `${author}${n}`);
    };
    await Promise.all([write(other, 'a'), write(twenty, 'b')]);
    const values = (await other.config.history('n')).map(({ value }) => value);
    expect(new Set(values).size).toBe(16);
    await other.close();
    await twenty.close();
  });

  it('is no part of the configuration, and the rings of nested keys stay apart', async () => {
    await room.config.set('n', 1);
    await room.config.set('n/deep', 2);
    const seen: number[] = [];
    room.config.watchPrefix(`/config/t${turn}/`).subscribe(({ size }) => seen.push(size));
    await until(() => seen.length === 1);
    expect(seen).toEqual([2]);
    expect((await room.config.history('n')).map(({ value }) => value)).toEqual([1]);
  });

  it('shows no secrets', async () => {
    const version = await room.config.set('db', { host: 'h', password: 'hush-canary' });
    await room.config.set('db', { host: 'i', password: 'hush-canary-2' });
    const shown = JSON.stringify((await room.config.history('db')).map(({ value }) => value));
    expect(shown).toContain('"h"');
    expect(shown).not.toContain('hush-canary');
    await room.config.rollback('db', version);
    expect(await room.config.get('db')).toEqual({ host: 'h', password: 'hush-canary' });
  });
});
