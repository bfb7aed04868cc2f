import { describe, expect, it } from 'vitest';
import { knownBugs } from '../../../lib/coord/etcd/server-version.js';

describe('the known bugs of an etcd version', () => {
  it.each([
    ['3.4.23', 3],
    ['3.4.34', 1],
    ['3.4.38', 0],
    ['3.5.12', 3],
    ['3.5.15', 2],
    ['3.5.23', 0],
    ['3.6.0', 1],
    ['3.6.5', 0],
    ['3.3.10', 3],
    ['3.7.0', 0],
    ['4.0.0', 0],
    ['unknown', 0],
  ])('of %s are %i', (version, count) => expect(knownBugs(version)).toHaveLength(count));
});
