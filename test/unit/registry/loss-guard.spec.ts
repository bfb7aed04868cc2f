import { beforeEach, describe, expect, it } from 'vitest';
import { draining } from '../../../lib/coord/registry/instance-traits.js';
import { type InstanceChange, LossGuard } from '../../../lib/coord/registry/loss-guard.js';
import type { ServiceInstance } from '../../../lib/coord/registry/service-instance.js';
import { FakeClock } from '../../support/fake-clock.js';

const instance = (id: string): ServiceInstance => ({ id, name: 'user', address: id, port: 1 });
const came = (id: string): InstanceChange => ({ id, previous: undefined, current: instance(id) });
const went = (id: string): InstanceChange => ({ id, previous: instance(id), current: undefined });

describe('the guard against losing everything at once', () => {
  let clock: FakeClock;
  let guard: LossGuard;
  const members = (): string => [...guard.members.keys()].toSorted().join('');
  const start = (ids: string): void => void guard.apply(ids.split('').map(came));

  beforeEach(() => {
    clock = new FakeClock();
    guard = new LossGuard(clock);
  });

  it('believes a loss that leaves half of the last good set', () => {
    start('abcd');
    guard.apply([went('a'), went('b')]);
    expect(members()).toBe('cd');
    expect(guard.holding).toBe(false);
  });

  it('keeps the last good set when less than half is left', () => {
    start('abcd');
    expect(guard.apply([went('a'), went('b'), went('c')])).toEqual([]);
    expect(members()).toBe('abcd');
    expect(guard.holding).toBe(true);
  });

  it('keeps the only instance', () => {
    start('a');
    guard.apply([went('a')]);
    expect(members()).toBe('a');
  });

  it('brings back those it let go when the losses of one window add up', () => {
    start('abc');
    guard.apply([went('a')]);
    expect(members()).toBe('bc');
    clock.advance(59_000);
    guard.apply([went('b')]);
    expect(members()).toBe('abc');
  });

  it('forgets losses that are older than the window', () => {
    start('abc');
    guard.apply([went('a')]);
    clock.advance(60_000);
    guard.apply([went('b')]);
    expect(members()).toBe('c');
  });

  it('believes what was marked as draining, down to nobody', () => {
    start('ab');
    for (const id of 'ab') {
      const marked = draining(instance(id));
      guard.apply([{ id, previous: instance(id), current: marked }]);
      guard.apply([{ id, previous: marked, current: undefined }]);
    }
    expect(members()).toBe('');
  });

  it('lets go one by one of those that nobody could reach', () => {
    start('abc');
    guard.apply([went('a'), went('b'), went('c')]);
    expect(guard.confirmLost('a')).toEqual([{ id: 'a', previous: instance('a'), current: undefined }]);
    expect(members()).toBe('bc');
    guard.confirmLost('b');
    guard.confirmLost('c');
    expect(members()).toBe('');
    expect(guard.holding).toBe(false);
  });

  it('does not take somebody off whom the registry lists, whoever could not reach it', () => {
    start('ab');
    expect(guard.confirmLost('a')).toEqual([]);
    expect(members()).toBe('ab');
  });

  it('believes the registry again when enough are back', () => {
    start('abcd');
    guard.apply('abcd'.split('').map(went));
    guard.apply([came('a')]);
    expect(members()).toBe('abcd');
    guard.apply([came('b')]);
    expect(guard.holding).toBe(false);
    expect(members()).toBe('ab');
  });

  it('holds for as long as it takes', () => {
    start('ab');
    guard.apply([went('a'), went('b')]);
    clock.advance(3_600_000);
    guard.apply([]);
    expect(members()).toBe('ab');
  });

  it('shows the members of an earlier run until the registry has spoken for enough of them', () => {
    guard.seed('abc'.split('').map(instance));
    expect(members()).toBe('abc');
    expect(guard.isPresent('a')).toBe(false);
    guard.apply([came('a')]);
    expect(members()).toBe('abc');
    guard.apply([came('b')]);
    expect(members()).toBe('ab');
  });

  it('tells exactly what changed', () => {
    start('ab');
    const changed = { ...instance('a'), port: 2 };
    expect(guard.apply([{ id: 'a', previous: instance('a'), current: changed }])).toEqual([
      { id: 'a', previous: instance('a'), current: changed },
    ]);
    expect(guard.apply([went('a')])).toEqual([{ id: 'a', previous: changed, current: undefined }]);
  });
});
