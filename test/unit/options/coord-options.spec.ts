import { describe, expect, it } from 'vitest';
import { resolveCoordOptions } from '../../../lib/coord/coord.options.js';

const endpoints = ['127.0.0.1:2379'];

describe('the coordination options', () => {
  it('take an option that is undefined as one that was not given', () => {
    const { prefixes, sessionTtl } = resolveCoordOptions({
      endpoints,
      sessionTtl: undefined,
      prefixes: { services: undefined, locks: '/mine/locks' },
    });
    expect(sessionTtl).toBe(15_000);
    expect(prefixes).toEqual({
      services: '/services',
      config: '/config',
      locks: '/mine/locks',
      elections: '/elections',
      allocators: '/allocators',
    });
  });

  it('let rooms lie beside one another under one path', () => {
    const prefixes = { services: '/infra/services', config: '/infra/services-config' };
    expect(resolveCoordOptions({ endpoints, prefixes }).prefixes).toMatchObject(prefixes);
  });
});
