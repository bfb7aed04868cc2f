import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OutcomeUnknownError } from '../../../lib/errors/outcome-unknown.error.js';
import { EmbeddedEtcd, FaultProxy } from '../../../lib/testing/index.js';
import { ConfigRoom, until } from './config-room.js';

/** Between the library and etcd, where a transaction's answer is lost once it has been carried out. */
const TXN = { path: '/etcdserverpb.KV/Txn' };

describe('a write whose answer is lost', () => {
  let etcd: EmbeddedEtcd;
  let proxy: FaultProxy;
  let room: ConfigRoom;
  let other: ConfigRoom;

  beforeEach(async () => {
    etcd = await EmbeddedEtcd.start();
    proxy = await FaultProxy.start({ target: etcd.endpoint });
    room = new ConfigRoom([proxy.endpoint]);
    other = new ConfigRoom([etcd.endpoint]);
    await room.config.set('n', 'before');
    await room.config.get('n');
  });
  afterEach(async () => {
    await room.close();
    await other.close();
    await proxy.close();
    await etcd.stop();
  });

  it.each([
    ['set', () => room.config.set('n', 'mine')],
    ['transaction', () => room.config.transaction((tx) => tx.set('n', 'mine'))],
    ['delete', () => room.config.delete('n')],
    [
      'compareAndSet',
      async () => room.config.compareAndSet('n', 'mine', (await room.config.getWithVersion('n')).version),
    ],
  ])('is not repeated over what others wrote meanwhile: %s', async (_, write) => {
    const seen: unknown[] = [];
    other.config.watch('n').subscribe((value) => seen.push(value));
    await until(() => seen.length === 1);
    const cut = proxy.cutAtFrame(TXN);
    const written = write().catch((error: unknown) => error);
    await cut.fired;
    await other.config.set('n', 'theirs');
    expect(await written).toBeInstanceOf(OutcomeUnknownError);
    await until(() => seen.length === 3);
    expect(seen.filter((value) => value !== undefined && value !== 'mine')).toEqual(['before', 'theirs']);
    expect(await other.config.get('n', { linearizable: true })).toBe('theirs');
    expect(await room.config.get('n', { linearizable: true })).toBe('theirs');
  });

  it('is repeated where it writes nothing', async () => {
    const { version } = await room.config.getWithVersion('n');
    const cut = proxy.cutAtFrame(TXN);
    const checked = room.config.transaction((tx) => tx.expect('n', version));
    await cut.fired;
    await checked;
  });
});
