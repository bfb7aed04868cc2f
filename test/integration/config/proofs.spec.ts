import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { defineConfig } from '../../../lib/coord/config/config.definition.js';
import { FaultProxy, SeededRandom } from '../../../lib/testing/index.js';
import { type EtcdUnderTest, etcdKinds, startEtcdOf } from '../etcd-kinds.js';
import { ConfigRoom, until } from './config-room.js';

const SUBSCRIPTIONS = 10_000;
const kinds = await etcdKinds();

describe.each(kinds)('what the configuration centre promises, on %s etcd', (kind) => {
  // In full on the realest etcd there is; a tenth where that is not this one.
  const share = kind === kinds.at(-1) ? 1 : 0.1;
  const TRANSACTIONS = 5_000 * share;
  const FUZZED = 10_000 * share;
  let etcd: EtcdUnderTest;
  let writer: ConfigRoom;

  beforeEach(async () => {
    etcd = await startEtcdOf(kind);
    writer = new ConfigRoom(etcd.endpoints, { env: 'p' });
  });
  afterEach(async () => {
    await writer.close();
    await etcd.stop();
  });

  /** Takes the history away up to now, so that whoever was cut has to list again. */
  const compact = async (): Promise<void> => {
    const { revision } = await writer.client.range({ key: 'x' });
    if (etcd.embedded) etcd.embedded.faults.compact(revision);
    else {
      const response = await fetch(`http://${etcd.endpoints[0]}/v3/kv/compaction`, {
        method: 'POST',
        body: JSON.stringify({ revision: revision.toString() }),
      });
      expect(response.status).toBe(200);
    }
  };

  it(`shows a transaction as one change in every view: ${TRANSACTIONS} over 10 keys, through cuts and compaction`, async () => {
    const random = new SeededRandom(7);
    await using proxy = await FaultProxy.start({ target: etcd.endpoints[0]! });
    await using reader = new ConfigRoom([proxy.endpoint], { env: 'p' });
    const causes = changesOf(reader);
    // Ten keys in two layers; what one gets another loses: the sum over all of them is always 0.
    const names = Array.from({ length: 10 }, (_, n) =>
      n < 5 ? `/config/p/global/k${n}` : `/config/p/orders/k${n}`,
    );
    const balance = names.map(() => 0);
    await writer.config.transaction((tx) => names.forEach((name) => tx.set(name, { [name]: 0 })));

    const sumOf = (values: Iterable<Record<string, number>>): number =>
      [...values].flatMap((value) => Object.values(value)).reduce((sum, each) => sum + each, 0);
    const Balance = z.record(z.string(), z.number());
    const views = await Promise.all(names.map((name) => reader.config.live(name, { schema: Balance })));
    const wrong: string[] = [];
    let emissions = 0;
    const check = (view: string, sum: number): void => {
      emissions++;
      if (sum !== 0) wrong.push(`${view}: ${sum}`);
    };
    reader.config
      .watchPrefix<Record<string, number>>('/config/p/')
      .subscribe((map) => check('watchPrefix', sumOf(map.values())));
    // All views are at one revision whenever one of them tells of a change.
    for (const view of views) {
      view.changes$.subscribe(() => check(view.name, sumOf(views.map(({ value }) => value))));
    }
    // The same in one merged view over two layers, which the same transactions write.
    const merged = await reader.config.live(
      defineConfig('merged', { schema: Balance, default: { a: 0, b: 0 } }),
    );
    merged.changes$.subscribe((value) => check('merged', sumOf([value])));

    const transact = async (turn: number): Promise<void> => {
      const from = random.integer(0, 9);
      const to = (from + random.integer(1, 9)) % 10;
      const amount = random.integer(1, 100);
      balance[from]! -= amount;
      balance[to]! += amount;
      await writer.config.transaction((tx) => {
        tx.set(names[from]!, { [names[from]!]: balance[from] }).set(names[to]!, {
          [names[to]!]: balance[to],
        });
        tx.set('/config/p/global/merged', { a: turn }).set('/config/p/orders/merged', { b: -turn });
      });
    };
    for (let turn = 1; turn <= TRANSACTIONS; turn++) {
      if (turn % 500 === 250) proxy.cut();
      // What is written while the reader is away is gone when it is back: it has to list again, and finds a difference.
      const away = turn % 500 === 0;
      if (away) {
        proxy.stall();
        proxy.cut();
      }
      await transact(turn);
      if (away) {
        await compact();
        proxy.resume();
        await until(() => merged.value['a'] === turn, 20_000);
      }
    }
    expect(views.map(({ value }, n) => value[names[n]!])).toEqual(balance);
    expect(wrong).toEqual([]);
    expect(emissions).toBeGreaterThan(TRANSACTIONS);
    expect(causes.filter((cause) => cause === 'relist')).toHaveLength(TRANSACTIONS / 500);
  }, 120_000);

  it('shows a transaction as one change when it comes in fragments, with values of more than a MiB', async () => {
    await using proxy = await FaultProxy.start({ target: etcd.endpoints[0]! });
    await using reader = new ConfigRoom([proxy.endpoint], { env: 'p' });
    const causes = changesOf(reader);
    const filler = 'x'.repeat(256 * 1_024);
    const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `/config/p/orders/large/${name}`);
    const write = (turn: number): Promise<bigint> =>
      writer.config.transaction((tx) => names.forEach((name) => tx.set(name, { turn, filler })));
    await write(0);
    const seen: string[] = [];
    reader.config
      .watchPrefix<{ turn: number }>('/config/p/orders/large/')
      .subscribe((map) => seen.push([...map.values()].map(({ turn }) => turn).join('')));
    await until(() => seen.length === 1);
    // One request may have 1.5 MiB. A backlog of more than 2 MiB is sent in parts, which end amid a transaction.
    proxy.stall();
    proxy.cut();
    for (let turn = 1; turn <= 6; turn++) await write(turn);
    proxy.resume();
    await until(() => seen.length >= 7, 20_000);
    expect(seen).toEqual(['00000', '11111', '22222', '33333', '44444', '55555', '66666']);
    expect(causes).toEqual(['list', ...Array.from({ length: 6 }, () => 'watch')]);
  });

  it(`never shows a bad value: ${FUZZED} writes, 30 % of them bad`, async () => {
    const random = new SeededRandom(11);
    await using reader = new ConfigRoom(etcd.endpoints, { env: 'p' });
    const schema = z.strictObject({
      n: z.number().int().nonnegative(),
      tag: z.string().max(9),
      list: z.array(z.number()),
    });
    const goodValue = (n: number) => ({ n, tag: `t${n}`, list: [n, n + 1] });
    const bad = [
      (text: string) => text.slice(0, random.integer(0, text.length - 1)),
      (text: string) => text.replace('"n":', '"n":-'),
      (text: string) => text.replace('"tag":"', '"tag":"much too long for this '),
      (text: string) => text.replace('[', '["x",'),
      (text: string) => text.replace('}', ',"more":1}'),
      () => 'null',
      () => '\ufffd\u0000',
      () => '[]',
    ];
    await writer.put('/config/p/orders/f', JSON.stringify(goodValue(0)));
    const live = await reader.config.live('f', { schema });
    const problems: unknown[] = [];
    let shown = 0;
    live.changes$.subscribe({
      next: (value) => {
        shown++;
        if (!schema.safeParse(value).success) problems.push(value);
      },
      error: (error) => problems.push(error),
      complete: () => problems.push('complete'),
    });
    let rejected = 0;
    live.rejected$.subscribe({ next: () => rejected++, error: (error) => problems.push(error) });
    const delays: number[] = [];
    for (let n = 1; n <= FUZZED; n++) {
      const text = JSON.stringify(goodValue(n));
      if (random.integer(1, 100) <= 30) {
        const breakIt = bad[random.integer(0, bad.length)];
        if (breakIt) await writer.put('/config/p/orders/f', breakIt(text));
        else await writer.remove('/config/p/orders/f');
      } else {
        const version = await writer.put('/config/p/orders/f', text);
        const written = performance.now();
        while (live.version < version) await new Promise(setImmediate);
        delays.push(performance.now() - written);
        if (live.value.n !== n) problems.push(`${live.value.n} is not ${n}`);
      }
      if (!schema.safeParse(live.value).success) problems.push(live.value);
    }
    delays.sort((a, b) => a - b);
    expect(problems).toEqual([]);
    expect(rejected).toBeGreaterThan(FUZZED * 0.2);
    expect(shown).toBeGreaterThan(FUZZED * 0.6);
    const p99 = delays[Math.floor(delays.length * 0.99)]!;
    console.info(`${kind}: shown ${p99.toFixed(1)} ms after a good write at p99`);
    // 100 ms is a figure of bench/config; a machine that is busy elsewhere is no reason to fail.
    expect(p99).toBeLessThan(5_000);
  }, 120_000);
});

/** Why the mirror of the room's scope has swapped its state, time and again. */
function changesOf({ client }: ConfigRoom): string[] {
  const causes: string[] = [];
  const open = client.mirror.bind(client);
  vi.spyOn(client, 'mirror').mockImplementation((range, options) => {
    const mirror = open(range, options);
    mirror.subscribe(({ cause }) => causes.push(cause));
    return mirror;
  });
  return causes;
}

describe('the memory of the configuration centre', () => {
  it(`is flat after ${SUBSCRIPTIONS} subscriptions that came and went`, async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const etcd = await startEtcdOf('embedded');
    await using room = new ConfigRoom(etcd.endpoints, { env: 'p' });
    await room.config.set('db', { pool: 5 });
    await room.config.set('app/a', 1);
    const schema = z.object({ pool: z.number() });
    const heap = async (): Promise<number> => {
      for (let n = 0; n < 3; n++) {
        gc();
        await new Promise(setImmediate);
      }
      return process.memoryUsage().heapUsed;
    };
    const cycle = async (times: number): Promise<void> => {
      for (let n = 0; n < times; n++) {
        const subscriptions = [
          room.config.watch('db').subscribe(),
          room.config.watch(`none/${n % 100}`).subscribe(),
          room.config.watch('db', { schema }).subscribe(),
          room.config.watchPrefix('app').subscribe(),
          room.config.watchNearest('db').subscribe(),
          room.config.events('app').subscribe(),
        ];
        const live = await room.config.live('db', { schema });
        for (const each of subscriptions) each.unsubscribe();
        live.close();
      }
    };
    await cycle(500);
    const before = await heap();
    await cycle(SUBSCRIPTIONS / 5);
    const after = await heap();
    await etcd.stop();
    expect(after / before).toBeLessThan(1.05);
  }, 60_000);
});
