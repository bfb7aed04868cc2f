import { describe, expect, it } from 'vitest';
import { UsedNames } from '../../../lib/coord/config/used-names.js';

describe('the names in use', () => {
  it('are those that views are open on and those that were read', () => {
    const used = new UsedNames();
    expect([used.hold('/a/x'), used.hold('/a/x'), used.add('/a/x'), used.add('/b/')]).toEqual([
      true,
      false,
      false,
      true,
    ]);
    used.release('/a/x');
    expect(used.hold('/a/x')).toBe(false);
    used.release('/a/x');
    used.release('/a/x');
    expect([...used].sort()).toEqual(['/a/x', '/b/']);
    expect(used.hold('/a/x')).toBe(false);
  });

  it('cover what lies below a prefix, by whole segments', () => {
    const used = new UsedNames();
    used.hold('/config/dev/');
    used.add('/config/prod/x');
    const covered = (key: string): boolean => used.covers(key);
    expect(['/config/dev/a', '/config/dev/a/b', '/config/prod/x'].every(covered)).toBe(true);
    expect(['/config/development', '/config/prod/x/y', '/config/prod'].some(covered)).toBe(false);
  });

  it('are bounded where keys are made up, and those that are watched or read again stay', () => {
    const used = new UsedNames();
    used.hold('/watched');
    used.add('/often');
    for (let n = 0; n < 15_000; n++) {
      used.add(`/user/${n}`);
      if (n % 1_000 === 0) used.add('/often');
    }
    expect([...used].length).toBeLessThanOrEqual(10_001);
    expect(used.covers('/watched') && used.covers('/often') && used.covers('/user/14999')).toBe(true);
    expect(used.covers('/user/0')).toBe(false);
  });
});
