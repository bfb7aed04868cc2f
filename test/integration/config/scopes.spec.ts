import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { type EtcdUnderTest, etcdKinds, startEtcdOf } from '../etcd-kinds.js';
import { ConfigRoom, until } from './config-room.js';

describe.each(await etcdKinds())('scopes on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let room: ConfigRoom;

  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
  });
  afterAll(() => etcd.stop());
  afterEach(() => room.close());

  it('keep what they name in memory, each by one mirror, and nothing else', async () => {
    room = new ConfigRoom(etcd.endpoints, {
      env: 'dev',
      config: { scopes: ['/config/dev/orders/', '/legacy/app'] },
    });
    const mirror = vi.spyOn(room.client, 'mirror');
    const range = vi.spyOn(room.client, 'range');
    await room.config.set('db', 1);
    await room.config.set('/legacy/app/x', 2);
    expect(await room.config.get('db')).toBe(1);
    expect(await room.config.get('/legacy/app/x')).toBe(2);
    expect(await room.config.list('/legacy/app')).toEqual(['/legacy/app/x']);
    expect(mirror).toHaveBeenCalledTimes(2);
    expect(range).not.toHaveBeenCalled();
    await room.config.set('/config/dev/global/db', 3);
    expect(await room.config.get('/config/dev/global/db')).toBe(3);
    expect(mirror).toHaveBeenCalledTimes(2);
    expect(range).toHaveBeenCalledTimes(1);
    await expect(room.config.get('/legacy/application')).rejects.toBeInstanceOf(ValidationError);
  });

  it('may hold the layers of one view apart: it follows them all', async () => {
    room = new ConfigRoom(etcd.endpoints, { env: 'dev', config: { scopes: ['/config/dev/orders/'] } });
    await room.config.set('/config/dev/global/clog', 'shared');
    const seen: unknown[] = [];
    room.config.watchNearest('clog').subscribe((value) => seen.push(value));
    await until(() => seen.length === 1);
    await room.config.set('clog', 'own');
    await until(() => seen.length === 2);
    expect(seen).toEqual(['shared', 'own']);
  });

  it('keep a key outside of them apart from all that starts like it', async () => {
    room = new ConfigRoom(etcd.endpoints, { env: 'dev' });
    const seen: unknown[] = [];
    let ready = 0;
    room.config.watch('/config/else/app').subscribe(() => ready++);
    await until(() => ready === 1);
    room.config.events('/config/else/app').subscribe(({ key }) => seen.push(key));
    room.config.watchPrefix('/config/else/').subscribe(() => ready++);
    await until(() => ready === 2);
    // Its mirror is open when it has seen the first of these; writes before that are none of its events.
    for (let n = 0; seen.length === 0; n++) await room.config.set('/config/else/app/x', n);
    expect(new Set(seen)).toEqual(new Set(['/config/else/app/x']));
    await room.config.delete('/config/else/app/x');
  });

  it.each([[[]], [['relative/']], [['/a/../b/']], [['/a//b']]])(
    'are refused when they are %j',
    async (scopes) => {
      room = new ConfigRoom(etcd.endpoints);
      expect(() => new ConfigRoom(etcd.endpoints, { config: { scopes } })).toThrow(/^config\.scopes/);
    },
  );
});
