import { describe, expect, it } from 'vitest';
import type { BalancingPlan } from '../../../lib/coord/registry/balancing/balancing-plan.js';
import { type CallHeaders, NO_HEADERS } from '../../../lib/coord/registry/balancing/candidate.js';
import { Chooser } from '../../../lib/coord/registry/balancing/chooser.js';
import { weightOf } from '../../../lib/coord/registry/instance-traits.js';

interface Some {
  readonly instance: {
    id: string;
    name: string;
    address: string;
    port: number;
    metadata: Record<string, string>;
  };
  weight(): number;
  cost(): number;
}

const some = (id: string, metadata: Record<string, string> = {}): Some => {
  const instance = { id, name: 'user', address: id, port: 1, metadata };
  return { instance, weight: () => weightOf(instance), cost: () => 1 };
};
const headers = (given: Record<string, string>): CallHeaders => ({ get: (name) => given[name] });

/** Numbers between 0 and 1 in a row that repeats, evenly spread. */
const evenly = (): (() => number) => {
  let turn = 0;
  return () => (turn = (turn + 0.01) % 1);
};

const tally = (
  chooser: Chooser<Some>,
  calls: number,
  given: CallHeaders = NO_HEADERS,
): Record<string, number> => {
  const seen: Record<string, number> = {};
  for (let call = 0; call < calls; call++) {
    const id = chooser.choose(given)?.instance.id ?? 'nobody';
    seen[id] = (seen[id] ?? 0) + 1;
  }
  return seen;
};

const chooserOf = (plan: Partial<BalancingPlan>, ready: Some[], known = ready): Chooser<Some> =>
  new Chooser({ policy: 'round_robin', ...plan }, ready, known, undefined, { random: evenly() });

describe('the choice of an instance', () => {
  it('goes on where the choice before it stood', () => {
    const all = [some('a'), some('b'), some('c')];
    const before = chooserOf({}, all);
    const first = before.choose(NO_HEADERS);
    const after = new Chooser({ policy: 'round_robin' }, all, all, before);
    expect(after.choose(NO_HEADERS)).not.toBe(first);
  });

  it('stays in the zone while it is healthy', () => {
    const zone = [some('a1', { zone: 'a' }), some('a2', { zone: 'a' }), some('b1', { zone: 'b' })];
    expect(tally(chooserOf({ zone: 'a' }, zone), 100)).toEqual({ a1: 50, a2: 50 });
  });

  it('spills the part that the zone cannot carry', () => {
    const known = ['a1', 'a2', 'a3', 'a4'].map((id) => some(id, { zone: 'a' }));
    const far = some('b1', { zone: 'b' });
    // 2 of 4 are up: 1.4 × 50 % of the calls stay.
    const seen = tally(chooserOf({ zone: 'a' }, [known[0]!, known[1]!, far], [...known, far]), 1_000);
    expect(seen['b1']! / 1_000).toBeCloseTo(0.3, 1);
  });

  it('leaves the zone when nobody there is up, and needs nobody of it', () => {
    const near = some('a1', { zone: 'a' });
    const far = some('b1', { zone: 'b' });
    expect(tally(chooserOf({ zone: 'a' }, [far], [near, far]), 5)).toEqual({ b1: 5 });
    expect(tally(chooserOf({ zone: 'c' }, [near, far]), 4)).toEqual({ a1: 2, b1: 2 });
  });

  it('gives a call the version that it asks for, and nobody else', () => {
    const all = [some('v1', { version: '1' }), some('v2', { version: '2' })];
    const chooser = chooserOf({ versionHeader: 'x-version' }, all);
    expect(tally(chooser, 10, headers({ 'x-version': '2' }))).toEqual({ v2: 10 });
    expect(tally(chooser, 10, headers({ 'x-version': '3' }))).toEqual({ nobody: 10 });
    expect(tally(chooser, 10)).toEqual({ v1: 5, v2: 5 });
  });

  it('gives a call somebody in trouble rather than nobody, if nobody else has the version that it asks for', () => {
    const [old, other, sick] = [
      some('v1', { version: '1' }),
      some('v2', { version: '2' }),
      some('sick', { version: '2' }),
    ];
    const plan: BalancingPlan = { policy: 'round_robin', versionHeader: 'x-version' };
    const ask = headers({ 'x-version': '2' });
    const all = [old, other, sick];
    const alone = new Chooser(plan, [old], [old, sick], undefined, { spare: [old, sick] });
    expect(tally(alone, 4, ask)).toEqual({ sick: 4 });
    expect(tally(alone, 4)).toEqual({ v1: 4 });
    const better = new Chooser(plan, [old, other], all, undefined, { spare: all });
    expect(tally(better, 4, ask)).toEqual({ v2: 4 });
  });

  it('keeps nothing of versions that nobody has, or has any more', () => {
    const all = [some('v1', { version: '1' }), some('v2', { version: '2' })];
    const plan: BalancingPlan = { policy: 'round_robin', versionHeader: 'x-version' };
    const before = chooserOf(plan, all);
    for (let call = 0; call < 1_000; call++) before.choose(headers({ 'x-version': `u${call}` }));
    tally(before, 1, headers({ 'x-version': '2' }));
    expect([...before.turns.keys()]).toEqual(['*', '=2']);
    const after = new Chooser(plan, [all[0]!], [all[0]!], before);
    expect([...after.turns.keys()]).toEqual(['*']);
  });

  it('sends the asked share to the canary, follows the share live, and falls back when it is alone', () => {
    let share = 0.05;
    const all = [some('v1', { version: '1' }), some('v2', { version: '2' })];
    const plan = { canary: { version: '2', share: () => share } };
    const chooser = chooserOf(plan, all);
    expect(tally(chooser, 10_000)['v2']! / 10_000).toBeCloseTo(0.05, 2);
    share = 1;
    expect(tally(chooser, 10)).toEqual({ v2: 10 });
    share = 0;
    expect(tally(chooser, 10)).toEqual({ v1: 10 });
    expect(tally(chooserOf(plan, [all[1]!]), 10)).toEqual({ v2: 10 });
  });

  it('keeps the calls with one key together, and takes turns for those without', () => {
    const all = ['a', 'b', 'c'].map((id) => some(id));
    const chooser = chooserOf({ policy: 'consistent_hash', hashHeader: 'x-user' }, all);
    expect(Object.keys(tally(chooser, 10, headers({ 'x-user': 'ada' })))).toHaveLength(1);
    expect(Object.keys(tally(chooser, 9))).toHaveLength(3);
  });

  it('explains each step', () => {
    const all = [some('v1', { version: '1', zone: 'a' }), some('v2', { version: '2', zone: 'b' })];
    const chooser = chooserOf({ versionHeader: 'x-version', zone: 'a' }, all);
    const { chosen, steps } = chooser.explain(headers({ 'x-version': '2' }));
    expect(chosen?.instance.id).toBe('v2');
    expect(steps.map(({ reason }) => reason)).toEqual([
      'the call asks for version 2',
      'nobody is ready in zone a: the others take the calls',
      'round_robin',
    ]);
    expect(chooser.explain(headers({ 'x-version': '9' })).chosen).toBeUndefined();
  });

  it('does not move a turn by explaining', () => {
    const all = ['a', 'b'].map((id) => some(id));
    const chooser = chooserOf({}, all);
    const { chosen } = chooser.explain(NO_HEADERS);
    expect(chooser.choose(NO_HEADERS)).toBe(chosen);
  });
});
