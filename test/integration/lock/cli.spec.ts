import { execFileSync, spawn } from 'node:child_process';
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runLocks } from '../../../lib/cli/locks.js';
import { UsageError } from '../../../lib/cli/usage.error.js';
import { LockLostError } from '../../../lib/errors/lock-lost.error.js';
import { recordedIo } from '../../unit/cli/recorded-io.js';
import { until } from '../../support/until.js';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';
import { LockRoom } from './lock-room.js';

describe.each(await etcdKinds())('im-infra locks, on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  let room: LockRoom;
  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
    room = new LockRoom(etcd.endpoints);
  });
  afterAll(async () => {
    await room.close();
    await etcd.stop();
  });

  const io = () => recordedIo({ ETCD_ENDPOINTS: etcd.endpoints.join(',') });
  const run = async (...args: string[]) => {
    const recorded = io();
    return { code: await runLocks(args, recorded), out: recorded.out, err: recorded.err };
  };

  it('ls shows holders and waiters, since when and from where', async () => {
    expect(await run('ls')).toEqual({ code: 0, out: 'no lock is held\n', err: '' });
    const held = await room.locks.acquire('shop/42');
    const waiting = room.locks.acquire('shop/42');
    const reader = await room.locks.readWrite('doc').read.acquire();
    const permit = await room.locks.semaphore('pool', 2).acquire();
    await until(async () => (await room.keys('/locks/shop%2F42/')).length === 2);
    const { out } = await run('ls', '--json');
    const rows = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows.map(({ key, kind, state, turn }) => [key, kind, state, turn])).toEqual([
      ['pool', 'semaphore', 'in line', 1],
      ['doc', 'read', 'held', 1],
      ['shop/42', 'lock', 'held', 1],
      ['shop/42', 'lock', 'waits', 2],
    ]);
    expect(rows[2]).toMatchObject({
      host: hostname(),
      pid: process.pid,
      service: 'orders',
      token: String(held.fencingToken),
    });
    const table = await run('ls', 'shop/42');
    expect(table.out.split('\n')[0]).toMatch(/^LOCK +KIND +TURN +STATE +INSTANCE +HOST +PID +SINCE +LEASE$/);
    expect(table.out.trim().split('\n')).toHaveLength(3);
    await Promise.all([held.release(), reader.release(), permit.release()]);
    await (await waiting).release();
  });

  it('break takes the lock from its owner, who is told, and the next one gets it', async () => {
    const held = await room.locks.acquire('stuck');
    const { signal } = held;
    const waiting = room.locks.acquire('stuck');
    await until(async () => (await room.keys('/locks/stuck/')).length === 2);
    const { code, out } = await run('break', 'stuck');
    expect(code).toBe(0);
    expect(out).toMatch(/^taken from orders-.* on .*, pid \d+\n$/);
    const next = await waiting;
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken);
    await until(() => signal.aborted);
    expect(signal.reason).toBeInstanceOf(LockLostError);
    await next.release();
    expect(await run('break', 'stuck')).toEqual({ code: 1, out: '', err: 'the lock "stuck" is not held\n' });
  });

  it('break takes a permit of a semaphore from who has had it longest', async () => {
    const pool = room.locks.semaphore('pool', 2);
    const [first, second] = [await pool.acquire(), await pool.acquire()];
    const { signal } = first;
    const waiting = pool.acquire();
    await until(async () => (await room.keys('/locks//semaphore/pool/')).length === 3);
    expect((await run('break', 'pool')).code).toBe(0);
    const next = await waiting;
    await until(() => signal.aborted);
    expect(second.isHeld()).toBe(true);
    await Promise.all([second.release(), next.release()]);
    expect((await run('break', 'pool')).code).toBe(1);
  });

  it('watch prints the state again after every change, the end of the last lock too', async () => {
    const recorded = io();
    const watching = runLocks(['watch', 'tick', '--json'], recorded);
    const states = (): string[] =>
      recorded.out
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.stringify((JSON.parse(line) as { state: string }[]).map(({ state }) => state)));
    await until(() => states().length === 1);
    const lock = await room.locks.acquire('tick');
    await until(() => states().length === 2);
    await (await room.locks.acquire('of no interest')).release();
    await lock.release();
    await until(() => states().length === 3);
    recorded.stop();
    expect(await watching).toBe(0);
    expect(states()).toEqual(['[]', '["held"]', '[]']);
  });

  it('refuses what it does not know', async () => {
    await expect(run()).rejects.toBeInstanceOf(UsageError);
    await expect(run('break')).rejects.toBeInstanceOf(UsageError);
    await expect(run('ls', 'a', 'b')).rejects.toBeInstanceOf(UsageError);
    expect((await run('--help')).out).toContain('im-infra locks ls');
  });
});

describe.runIf((await etcdKinds()).includes('binary'))('etcdctl lock', () => {
  it('waits for our lock, and we for its', async () => {
    const etcd = await startEtcdOf('binary');
    const room = new LockRoom(etcd.endpoints);
    const env = { ...process.env, ETCDCTL_API: '3' };
    const endpoints = `--endpoints=${etcd.endpoints.join(',')}`;
    try {
      const ours = await room.locks.acquire('poly');
      const theirs = spawn('etcdctl', [endpoints, 'lock', '/locks/poly'], {
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let got = '';
      theirs.stdout.on('data', (chunk: Buffer) => (got += chunk.toString()));
      await until(async () => (await room.keys('/locks/poly/')).length === 2);
      const third = room.locks.acquire('poly');
      await until(async () => (await room.keys('/locks/poly/')).length === 3);
      expect(got).toBe('');
      await ours.release();
      await until(() => got.startsWith('/locks/poly/'));
      expect(await room.locks.tryAcquire('poly')).toBeNull();
      theirs.kill('SIGINT');
      const lock = await third;
      expect(lock.isHeld()).toBe(true);
      await lock.release();
      // `etcdctl lock NAME COMMAND` runs the command under the lock, then releases.
      const out = execFileSync('etcdctl', [endpoints, 'lock', '/locks/poly', 'echo', 'ran'], {
        env,
        timeout: 10_000,
      });
      expect(out.toString()).toBe('ran\n');
      expect(await room.keys('/locks/poly/')).toEqual([]);
    } finally {
      await room.close();
      await etcd.stop();
    }
  });

  it('shares a counter with our lock without losing an increment', async () => {
    const etcd = await startEtcdOf('binary');
    const rooms = [new LockRoom(etcd.endpoints), new LockRoom(etcd.endpoints)];
    const env = { ...process.env, ETCDCTL_API: '3' };
    let counter = 0;
    const read = async () =>
      Number((await rooms[0]!.client.range({ key: '/counter' })).kvs[0]?.value.toString() ?? 0);
    try {
      const ours = rooms.map(async ({ locks, client }) => {
        for (let round = 0; round < 100; round++) {
          await locks.using('count', {}, async () => {
            const value = await read();
            await client.commit(
              { success: [{ put: { key: '/counter', value: String(value + 1) } }] },
              { idempotent: true },
            );
            counter++;
          });
        }
      });
      const script = `v=$(etcdctl --endpoints=${etcd.endpoints[0]} get --print-value-only /counter); etcdctl --endpoints=${etcd.endpoints[0]} put /counter $((v + 1)) >/dev/null`;
      const theirs = (async () => {
        for (let round = 0; round < 20; round++) {
          await new Promise<void>((resolve, reject) => {
            const child = spawn(
              'etcdctl',
              [`--endpoints=${etcd.endpoints[0]}`, 'lock', '/locks/count', '--', 'sh', '-c', script],
              {
                env,
                stdio: ['ignore', 'ignore', 'inherit'],
              },
            );
            child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`etcdctl: ${code}`))));
          });
          counter++;
        }
      })();
      await Promise.all([...ours, theirs]);
      expect(counter).toBe(220);
      expect(await read()).toBe(220);
    } finally {
      await Promise.all(rooms.map((room) => room.close()));
      await etcd.stop();
    }
  });
});
