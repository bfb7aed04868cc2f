import { describe, expect, it } from 'vitest';
import { PageSize } from '../../../lib/coord/etcd/page-size.js';

const MIB = 1024 * 1024;

describe('a page size', () => {
  it('is a few keys at first, whatever they weigh', () => {
    expect(new PageSize().keys).toBe(16);
  });

  it('is then as many keys as make a mebibyte, two, four', () => {
    const size = new PageSize();
    const sizes = [];
    for (let page = 0; page < 4; page++) {
      size.read(size.keys, size.keys * 1_024);
      sizes.push(size.keys);
    }
    expect(sizes).toEqual([1_024, 2_048, 4_096, 4_096]);
  });

  it('is a key at a time where each makes a page, and never more than ten thousand', () => {
    const heavy = new PageSize();
    heavy.read(16, 24 * MIB);
    expect(heavy.keys).toBe(1);
    const light = new PageSize();
    for (let page = 0; page < 4; page++) light.read(light.keys, light.keys * 20);
    expect(light.keys).toBe(10_000);
  });

  it('halves when a page did not come in time, and grows no more', () => {
    const size = new PageSize();
    size.late();
    expect(size.keys).toBe(8);
    size.read(8, 8 * 1_024);
    const first = size.keys;
    size.late();
    expect(size.keys).toBe(first / 2);
    size.read(size.keys, size.keys * 1_024);
    expect(size.keys).toBe(first / 2);
    for (let times = 0; times < 30; times++) size.late();
    expect(size.keys).toBe(1);
  });

  it('is what the caller asked for, and halves all the same', () => {
    const size = new PageSize(4);
    size.read(4, 4);
    expect(size.keys).toBe(4);
    size.late();
    expect(size.keys).toBe(2);
  });
});
