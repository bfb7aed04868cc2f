import { describe, expect, it } from 'vitest';
import { Footprint } from '../../../lib/coord/etcd/footprint.js';
import { prefixRange, type Txn } from '../../../lib/coord/etcd/kv.js';

const put = (key: string): Txn => ({ success: [{ put: { key, value: '' } }] });
const enqueue = (name: string, owner: string): Txn => ({
  compare: [{ key: `${name}/${owner}`, target: 'create', value: 0n }],
  success: [{ put: { key: `${name}/${owner}`, value: '' } }, { range: prefixRange(`${name}/`) }],
});
const release = (name: string, owner: string): Txn => ({
  compare: [{ key: `${name}/${owner}`, target: 'create', value: 7n }],
  success: [{ delete: { key: `${name}/${owner}` } }],
});
const ifEmpty = (prefix: string, key: string): Txn => ({
  compare: [{ ...prefixRange(prefix), target: 'create', value: 0n }],
  success: [{ put: { key, value: '' } }],
});

function together(...txns: readonly Txn[]): boolean {
  const footprint = new Footprint();
  return txns.every((txn) => {
    const admitted = footprint.admits(txn);
    footprint.add(txn);
    return admitted;
  });
}

describe('transactions ride together', () => {
  it('when they write different keys', () => expect(together(put('a'), put('b'), put('c'))).toBe(true));
  it('when they wait for different locks', () =>
    expect(together(enqueue('a', '1'), enqueue('b', '1'))).toBe(true));
  it('when one leaves the queue that another joins, whichever comes first', () => {
    expect(together(release('a', '1'), enqueue('a', '2'))).toBe(true);
    expect(together(enqueue('a', '2'), release('a', '1'))).toBe(true);
  });
  it('when both only read', () => {
    const read: Txn = { success: [{ range: prefixRange('a/') }] };
    expect(together(read, read)).toBe(true);
  });
});

describe('transactions go apart', () => {
  it('when they write one key', () => expect(together(put('a'), put('a'))).toBe(false));
  it('when they wait for one lock, whose order would be lost', () =>
    expect(together(enqueue('a', '1'), enqueue('a', '2'))).toBe(false));
  it('when one compares a range that the other writes into', () => {
    expect(together(put('a/1'), ifEmpty('a/', 'b'))).toBe(false);
    expect(together(ifEmpty('a/', 'b'), put('a/1'))).toBe(false);
  });
  it('when one deletes a range that the other writes', () => {
    const remove: Txn = { success: [{ delete: prefixRange('a/') }] };
    expect(together(put('a/1'), remove)).toBe(false);
    expect(together(remove, { success: [{ delete: prefixRange('a/b/') }] })).toBe(false);
    expect(together(remove, put('b'))).toBe(true);
  });
  it('when one leaves and another takes the same place', () => {
    expect(together(release('a', '1'), enqueue('a', '1'))).toBe(false);
  });
  it('when one deletes what the other compares', () => {
    const remove: Txn = { success: [{ delete: { key: 'a/1' } }] };
    expect(together(remove, ifEmpty('a/', 'b'))).toBe(false);
    expect(together(ifEmpty('a/', 'b'), remove)).toBe(false);
  });
  it('when the writing is in the branch for failure', () => {
    expect(together({ success: [], failure: [{ put: { key: 'a', value: '' } }] }, put('a'))).toBe(false);
  });
  it('when a range is open to the last key', () => {
    expect(together({ success: [{ delete: { key: 'm', end: '\0' } }] }, put('zzz'))).toBe(false);
    expect(together({ success: [{ delete: { key: 'm', end: '\0' } }] }, put('a'))).toBe(true);
  });
});
