import { execFile } from 'node:child_process';
import { mkdtemp, open, readFile, rm, unlink, writeFile, appendFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lock } from '../../../../lib/coord/lock/lock.js';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../../etcd-kinds.js';
import { LockRoom } from '../lock-room.js';
import { buildGo, goMissing } from './build-go.js';

const missing = (await etcdKinds()).includes('binary') ? goMissing() : 'no etcd on PATH';
if (missing !== undefined) process.stdout.write(`not run beside Go's concurrency.Mutex: ${missing}\n`);

const GO = { processes: 2, tasks: 2, cycles: 40 };
const OURS = { processes: 2, tasks: 3, cycles: 80 };

describe.skipIf(missing !== undefined)("our lock beside Go's concurrency.Mutex", () => {
  let etcd: EtcdUnderTest;
  let folder: string;
  let program: string;
  beforeAll(async () => {
    etcd = await startEtcdOf('binary');
    folder = await mkdtemp(join(tmpdir(), 'im-infra-go-mutex-'));
    program = await buildGo(fileURLToPath(new URL('mutex.go', import.meta.url)), folder);
  }, 300_000);
  afterAll(async () => {
    await etcd.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** What `critical` of mutex.go does. The file that must not exist shows an overlap without comparing clocks. */
  const critical = async (lock: Lock): Promise<void> => {
    const inside = join(folder, 'inside');
    await (await open(inside, 'wx')).close();
    const count = join(folder, 'count');
    await writeFile(count, String(Number(await readFile(count, 'utf8')) + 1));
    await appendFile(join(folder, 'order'), `node ${lock.fencingToken}\n`);
    await unlink(inside);
  };

  it('is never held beside it, and goes to both in the order of the create revisions', async () => {
    await writeFile(join(folder, 'count'), '0');
    const { tasks, cycles } = GO;
    const args = [etcd.endpoints[0]!, '/locks/polyglot', String(tasks), String(cycles), folder];
    const theirs = Array.from({ length: GO.processes }, () =>
      promisify(execFile)(program, args, { timeout: 120_000 }),
    );
    const rooms = Array.from({ length: OURS.processes }, () => new LockRoom(etcd.endpoints));
    try {
      const ours = rooms.flatMap(({ locks }) =>
        Array.from({ length: OURS.tasks }, async () => {
          for (let cycle = 0; cycle < OURS.cycles; cycle++) {
            await locks.using('polyglot', { timeout: '60s' }, critical);
          }
        }),
      );
      await Promise.all([...theirs, ...ours]);
      const turns = (await readFile(join(folder, 'order'), 'utf8')).trim().split('\n');
      const revisions = turns.map((turn) => BigInt(turn.split(' ')[1]!));
      const byGo = turns.filter((turn) => turn.startsWith('go '));
      expect(byGo).toHaveLength(GO.processes * GO.tasks * GO.cycles);
      expect(turns).toHaveLength(byGo.length + OURS.processes * OURS.tasks * OURS.cycles);
      expect(Number(await readFile(join(folder, 'count'), 'utf8'))).toBe(turns.length);
      expect(revisions).toEqual([...revisions].sort((a, b) => (a < b ? -1 : 1)));
      expect(new Set(revisions).size).toBe(revisions.length);
      // They did contend: turns alternate between the two kinds again and again.
      const changes = turns.filter((turn, index) => index > 0 && turn[0] !== turns[index - 1]![0]).length;
      expect(changes).toBeGreaterThan(10);
      expect(await rooms[0]!.keys('/locks/polyglot/')).toEqual([]);
    } finally {
      await Promise.all(rooms.map((room) => room.close()));
    }
  }, 180_000);
});
