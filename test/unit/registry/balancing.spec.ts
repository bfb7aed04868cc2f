import { describe, expect, it } from 'vitest';
import { Ejection } from '../../../lib/coord/registry/balancing/ejection.js';
import { InFlightCost } from '../../../lib/coord/registry/balancing/in-flight-cost.js';
import { RendezvousChoice, hashText } from '../../../lib/coord/registry/balancing/rendezvous.js';
import { SlowStart } from '../../../lib/coord/registry/balancing/slow-start.js';
import { Subset } from '../../../lib/coord/registry/balancing/subset.js';
import { TwoChoices } from '../../../lib/coord/registry/balancing/two-choices.js';
import { WeightedRotation } from '../../../lib/coord/registry/balancing/weighted-rotation.js';
import { SeededRandom } from '../../../lib/testing/faults/seeded-random.js';
import { FakeClock } from '../../support/fake-clock.js';

const counts = (next: () => string | undefined, times: number): Record<string, number> => {
  const seen: Record<string, number> = {};
  for (let time = 0; time < times; time++) {
    const item = next() ?? 'nobody';
    seen[item] = (seen[item] ?? 0) + 1;
  }
  return seen;
};

describe('weighted rotation', () => {
  it('takes turns when all weigh the same', () => {
    const rotation = new WeightedRotation(['a', 'b', 'c'], [7, 7, 7], 1);
    expect([1, 2, 3, 4].map(() => rotation.next()).join('')).toBe('bcab');
  });

  it('gives exact shares', () => {
    const rotation = new WeightedRotation(['a', 'b', 'c'], [1, 3, 6]);
    expect(counts(() => rotation.next(), 1_000)).toEqual({ a: 100, b: 300, c: 600 });
  });

  it('is smooth: a light item does not wait for all turns of the heavy one', () => {
    const rotation = new WeightedRotation(['a', 'b'], [3, 1]);
    const order = Array.from({ length: 12 }, () => rotation.next()).join('');
    expect(order).not.toContain('aaaa');
    expect(order).not.toContain('bb');
  });

  it('gives nothing to weight 0, unless all weigh nothing', () => {
    expect(counts(weighted(['a', 'b'], [0, 1]), 10)).toEqual({ b: 10 });
    expect(counts(weighted(['a', 'b'], [0, 0]), 10)).toEqual({ a: 5, b: 5 });
  });

  it('has nobody to give among none', () => {
    expect(new WeightedRotation([], []).next()).toBeUndefined();
  });

  function weighted(items: string[], weights: number[]): () => string | undefined {
    const rotation = new WeightedRotation(items, weights);
    return () => rotation.next();
  }
});

describe('the power of two choices', () => {
  it('never takes the dearest of three', () => {
    const cost: Record<string, number> = { a: 1, b: 2, c: 3 };
    const choice = new TwoChoices(['a', 'b', 'c'], (item) => cost[item]!);
    const seen = counts(() => choice.next(), 3_000);
    expect(seen['c']).toBeUndefined();
    expect(seen['a']! / seen['b']!).toBeGreaterThan(1.6);
  });

  it('takes the only one, and nobody of none', () => {
    expect(new TwoChoices(['a'], () => 1).next()).toBe('a');
    expect(new TwoChoices<string>([], () => 1).next()).toBeUndefined();
  });
});

describe('rendezvous hashing', () => {
  const items = Array.from({ length: 10 }, (_, index) => `10.0.0.${index}:50051`);
  const keys = Array.from({ length: 10_000 }, (_, index) => `user-${index}`);
  const choose = (among: readonly string[], weight: (item: string) => number = () => 1) =>
    new RendezvousChoice(among, (item) => item, weight);

  it('spreads keys evenly', () => {
    const choice = choose(items);
    const seen = Object.values(counts(next(choice), keys.length));
    expect(Math.max(...seen) / Math.min(...seen)).toBeLessThan(1.25);
  });

  it('follows weights', () => {
    const choice = choose(['a', 'b'], (item) => (item === 'a' ? 3 : 1));
    const seen = counts(next(choice), keys.length);
    expect(seen['a']! / seen['b']!).toBeGreaterThan(2.8);
    expect(seen['a']! / seen['b']!).toBeLessThan(3.2);
  });

  it('moves only the keys of the item that goes', () => {
    const before = choose(items);
    const after = choose(items.slice(1));
    const moved = keys.filter((key) => before.of(key) !== after.of(key));
    expect(moved.every((key) => before.of(key) === items[0])).toBe(true);
  });

  function next(choice: RendezvousChoice<string>): () => string | undefined {
    let index = 0;
    return () => choice.of(keys[index++]!);
  }
});

describe('subsets', () => {
  const servers = Array.from({ length: 200 }, (_, index) => `10.0.${index >> 8}.${index & 255}:50051`);
  const clients = Array.from(
    { length: 500 },
    (_, index) => `gateway-${hashText(String(index)).toString(16)}`,
  );
  const identity = (server: string): string => server;
  const drawAll = (among: readonly string[]): Map<string, ReadonlySet<string>> =>
    new Map(clients.map((client) => [client, new Set(new Subset(client).draw(among, 20, identity))]));

  it('share 500 clients over 200 servers so that none has more than 1.4 times the mean, in the median of fleets', () => {
    // A server's load is binomial (500 draws of 20 in 200: mean 50, deviation 6.7), whatever the hash: without coordination
    // nothing is promised for one fleet, so this looks at many.
    const random = new SeededRandom(20);
    const worst = Array.from({ length: 60 }, () => {
      const fleet = Array.from({ length: 500 }, () => `gateway-${random.integer(0, 2 ** 32).toString(16)}`);
      const connections = new Map<string, number>();
      for (const client of fleet) {
        for (const server of new Subset(client).draw(servers, 20, identity)) {
          connections.set(server, (connections.get(server) ?? 0) + 1);
        }
      }
      expect(connections.size).toBe(200);
      return Math.max(...connections.values()) / 50;
    }).toSorted((x, y) => x - y);
    // What docs/discovery.md says.
    expect([worst[30], worst.at(-1)]).toEqual([1.38, 1.6]);
    expect(worst[30]).toBeLessThanOrEqual(1.4);
  });

  it('move no more connections than they must when a server comes or goes', () => {
    const before = drawAll(servers);
    const moved = (among: readonly string[]): number => {
      const after = drawAll(among);
      return clients.reduce(
        (sum, client) =>
          sum + [...after.get(client)!].filter((server) => !before.get(client)!.has(server)).length,
        0,
      );
    };
    const arrival = moved([...servers, '10.9.9.9:50051']);
    // The new server takes its share, 500 × 20 / 201 ≈ 50 connections, give or take the draw; nobody else moves.
    const taken = [...drawAll([...servers, '10.9.9.9:50051']).values()].filter((drawn) =>
      drawn.has('10.9.9.9:50051'),
    );
    expect(arrival).toBe(taken.length);
    const gone = servers[7]!;
    expect(moved(servers.filter((server) => server !== gone))).toBe(
      [...before.values()].filter((drawn) => drawn.has(gone)).length,
    );
  });

  it('are the same again for the same client, and everything where there is no more', () => {
    const subset = new Subset('me');
    expect(subset.draw(servers, 20, identity)).toEqual(
      new Subset('me').draw(servers.toReversed(), 20, identity),
    );
    expect(subset.draw(servers.slice(0, 3), 20, identity)).toHaveLength(3);
  });
});

describe('the cost of a call', () => {
  it('grows with what is under way', () => {
    const cost = new InFlightCost(new FakeClock());
    expect(cost.value).toBe(1);
    cost.begin();
    expect(cost.value).toBe(2);
    expect(cost.inFlight).toBe(1);
  });

  it('jumps up with a slow answer and comes down with time', () => {
    const clock = new FakeClock();
    const cost = new InFlightCost(clock);
    const since = cost.begin();
    clock.advance(200);
    cost.end(since, false);
    expect(cost.value).toBeCloseTo(200);
    clock.advance(5_000);
    expect(cost.value).toBeCloseTo(200 / Math.E);
    clock.advance(60_000);
    expect(cost.value).toBe(1);
  });

  it('takes a fast failure for a slow answer', () => {
    const clock = new FakeClock();
    const cost = new InFlightCost(clock);
    cost.end(cost.begin(), true);
    expect(cost.value).toBeGreaterThanOrEqual(100);
  });
});

describe('setting an instance aside', () => {
  const fail = (ejection: Ejection, times: number): boolean[] =>
    Array.from({ length: times }, () => ejection.record(true));

  it('is due after five failures in a row', () => {
    const ejection = new Ejection(new FakeClock());
    expect(fail(ejection, 4)).toEqual([false, false, false, false]);
    ejection.record(false);
    expect(fail(ejection, 5)).toEqual([false, false, false, false, true]);
  });

  it('lasts twice as long each time that the first call afterwards fails, up to a minute', () => {
    const clock = new FakeClock();
    const ejection = new Ejection(clock);
    fail(ejection, 5);
    const terms = [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000];
    for (const term of terms) {
      expect(ejection.start()).toBe(term);
      expect(ejection.active).toBe(true);
      clock.advance(term);
      expect(ejection.active).toBe(false);
      expect(ejection.record(true)).toBe(true);
    }
  });

  it('is forgotten after a success', () => {
    const clock = new FakeClock();
    const ejection = new Ejection(clock);
    fail(ejection, 5);
    ejection.start();
    clock.advance(2_000);
    ejection.record(false);
    expect(fail(ejection, 5).at(-1)).toBe(true);
    expect(ejection.start()).toBe(2_000);
  });
});

describe('the ramp of a newcomer', () => {
  it('goes from a tenth to the whole in a straight line', () => {
    const clock = new FakeClock();
    const ramp = new SlowStart(clock, 5_000);
    const factors = [0, 1_000, 1_500, 2_500].map((pause) => {
      clock.advance(pause);
      return ramp.factor;
    });
    expect(factors).toEqual([0.1, 0.2, 0.5, 1]);
    expect(ramp.over).toBe(true);
  });
});
