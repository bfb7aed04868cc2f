import { describe, expect, it } from 'vitest';
import {
  EndpointSelector,
  type EndpointSelectorOptions,
} from '../../../lib/coord/registry/endpoint-selector.js';
import type { InstanceChange } from '../../../lib/coord/registry/loss-guard.js';
import { localAddress } from '../../../lib/coord/registry/local-address.js';
import type { ServiceInstance } from '../../../lib/coord/registry/service-instance.js';

const instance = (id: string, metadata: Record<string, string> = {}, address = id): ServiceInstance => ({
  id,
  name: 'user',
  address,
  port: 1,
  metadata,
});

const select = (
  instances: ServiceInstance[],
  options: Partial<EndpointSelectorOptions> = {},
  present = (_id: string): boolean => true,
): string[] => {
  const selector = new EndpointSelector({
    client: 'me',
    filter: undefined,
    zone: undefined,
    subsetSize: undefined,
    onFilterError: () => undefined,
    ...options,
  });
  const members = new Map(instances.map((each) => [each.id, each]));
  return selector.select({ members, isPresent: present }).map(({ id }) => id);
};

describe('whom a client connects to', () => {
  it('leaves out the draining, unless there is nobody else', () => {
    const leaving = instance('b', { state: 'draining' });
    expect(select([instance('a'), leaving])).toEqual(['a']);
    expect(select([leaving])).toEqual(['b']);
  });

  it('leaves out those that want no calls', () => {
    expect(select([instance('a', { weight: '0' }), instance('b')])).toEqual(['b']);
  });

  it('takes an address once: the instance that the registry lists, then the later one', () => {
    const old = instance('old', {}, '10.0.0.1');
    const young = instance('young', {}, '10.0.0.1');
    expect(select([old, young])).toEqual(['young']);
    expect(select([young, old], {}, (id) => id === 'young')).toEqual(['young']);
  });

  it('leaves out an instance for which the filter throws, and tells once', () => {
    let errors = 0;
    const filter = ({ id }: ServiceInstance): boolean => {
      if (id !== 'a') throw new Error('no');
      return true;
    };
    const onFilterError = (): number => errors++;
    expect(select([instance('a'), instance('b'), instance('c')], { filter, onFilterError })).toEqual(['a']);
    expect(errors).toBe(1);
  });

  it('asks the filter once for each instance', () => {
    let asked = 0;
    const members = new Map([['a', instance('a')]]);
    const selector = new EndpointSelector({
      client: 'me',
      filter: () => ++asked > 0,
      zone: undefined,
      subsetSize: undefined,
      onFilterError: () => undefined,
    });
    for (let turn = 0; turn < 3; turn++) selector.select({ members, isPresent: () => true });
    expect(asked).toBe(1);
  });

  it('draws its only connection from its own zone while there is anybody', () => {
    const far = Array.from({ length: 20 }, (_, index) => instance(`b${index}`, { zone: 'b' }));
    for (const client of ['me', 'you', 'they']) {
      expect(select([...far, instance('a', { zone: 'a' })], { client, zone: 'a', subsetSize: 1 })).toEqual([
        'a',
      ]);
    }
    expect(select(far, { zone: 'a', subsetSize: 1 })).toHaveLength(1);
  });

  it('draws a subset from its own zone and keeps a quarter elsewhere', () => {
    const near = Array.from({ length: 20 }, (_, index) => instance(`a${index}`, { zone: 'a' }));
    const far = Array.from({ length: 20 }, (_, index) => instance(`b${index}`, { zone: 'b' }));
    const drawn = select([...near, ...far], { zone: 'a', subsetSize: 8 });
    expect(drawn.filter((id) => id.startsWith('a'))).toHaveLength(6);
    expect(drawn.filter((id) => id.startsWith('b'))).toHaveLength(2);
    const fromFar = select([near[0]!, ...far], { zone: 'a', subsetSize: 8 });
    expect(fromFar).toHaveLength(8);
    expect(fromFar).toContain('a0');
  });

  it('ranks for policies that begin at the front, each client in an order of its own', () => {
    const all = Array.from({ length: 10 }, (_, index) => instance(`i${index}`));
    const firsts = new Set(
      Array.from({ length: 50 }, (_, client) => select(all, { ranked: true, client: `c${client}` })[0]),
    );
    expect(firsts.size).toBeGreaterThan(5);
    expect(select(all, { ranked: true })).toHaveLength(10);
  });
});

describe('a selection that is told what changed', () => {
  /** A small generator with a seed: a failure can be run again. */
  const dice = (seed: number) => (): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 32;
  };

  it.each([
    ['a subset', { subsetSize: 5 }],
    ['a subset that prefers a zone', { subsetSize: 5, zone: 'b' }],
    ['a filter and a subset', { subsetSize: 5, filter: ({ id }: ServiceInstance) => !id.endsWith('7') }],
    ['everybody', {}],
  ])('is the same as one drawn anew: %s', (_, options) => {
    const random = dice(7);
    const members = new Map<string, ServiceInstance>();
    const roster = { members, isPresent: () => true };
    const make = (): EndpointSelector =>
      new EndpointSelector({
        client: 'me',
        filter: undefined,
        zone: undefined,
        subsetSize: undefined,
        onFilterError: () => undefined,
        ...options,
      });
    const told = make();
    told.takeAll(roster);
    let changes: InstanceChange[] = [];
    for (let turn = 0; turn < 1_500; turn++) {
      const id = `i${Math.floor(random() * 60)}`;
      const previous = members.get(id);
      const draw = random();
      const metadata = {
        ...(draw < 0.2 && { state: 'draining' }),
        ...(draw > 0.95 && { weight: '0' }),
        zone: draw < 0.5 ? 'a' : 'b',
      };
      const current = random() < 0.35 ? undefined : instance(id, metadata, `host-${id}`);
      if (current === undefined) members.delete(id);
      else members.set(id, current);
      if (previous !== current) changes.push({ id, previous, current });
      if (random() < 0.3) continue; // several changes, one selection
      told.take(changes);
      expect(told.draw(roster)).toEqual(make().select(roster));
      changes = [];
    }
  });

  it('is not even looked at when somebody outside the subset comes, changes and goes', () => {
    const all = Array.from({ length: 100 }, (_, index) => instance(`i${index}`));
    const members = new Map(all.map((each) => [each.id, each]));
    const roster = { members, isPresent: () => true };
    const selector = new EndpointSelector({
      client: 'me',
      filter: undefined,
      zone: undefined,
      subsetSize: 5,
      onFilterError: () => undefined,
    });
    const first = selector.select(roster);
    const outside = all.find((each) => !first.includes(each))!;
    const changed = instance(outside.id, { version: '2' });
    members.set(changed.id, changed);
    selector.take([{ id: changed.id, previous: outside, current: changed }]);
    expect(selector.draw(roster)).toBe(first);
    members.delete(changed.id);
    selector.take([{ id: changed.id, previous: changed, current: undefined }]);
    expect(selector.draw(roster)).toBe(first);
    const inside = first[0]!;
    members.delete(inside.id);
    selector.take([{ id: inside.id, previous: inside, current: undefined }]);
    const next = selector.draw(roster);
    expect(next).toHaveLength(5);
    expect(next).not.toContain(inside);
  });
});

describe('the own address', () => {
  const of = (list: { family: string; internal: boolean; address: string }[]): string =>
    localAddress((() => ({ eth0: list })) as never);

  it('is the first IPv4 address that others can reach', () => {
    expect(
      of([
        { family: 'IPv4', internal: true, address: '127.0.0.1' },
        { family: 'IPv6', internal: false, address: 'fe80::1' },
        { family: 'IPv4', internal: false, address: '169.254.1.1' },
        { family: 'IPv4', internal: false, address: '10.1.2.3' },
      ]),
    ).toBe('10.1.2.3');
  });

  it('is the loopback address where there is no other', () => {
    expect(of([])).toBe('127.0.0.1');
  });
});
