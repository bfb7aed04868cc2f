import { describe, expect, it } from 'vitest';
import {
  EndpointSelector,
  type EndpointSelectorOptions,
} from '../../../lib/coord/registry/endpoint-selector.js';
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
