import { describe, expect, it } from 'vitest';
import { type RequestOp } from '../../../lib/testing/embedded/messages.js';
import { checkTxnShape } from '../../../lib/testing/embedded/request-checks.js';

const NONE = Buffer.alloc(0);

const put = (key: string): RequestOp => ({
  requestPut: {
    key: Buffer.from(key),
    value: NONE,
    lease: '0',
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  },
});
const del = (key: string, end = ''): RequestOp => ({
  requestDeleteRange: { key: Buffer.from(key), rangeEnd: Buffer.from(end), prevKv: false },
});
const txn = (success: RequestOp[], failure: RequestOp[] = []): RequestOp => ({
  requestTxn: { compare: [], success, failure },
});

const check = (...success: RequestOp[]): void => checkTxnShape({ compare: [], success, failure: [] });

describe('checkTxnShape', () => {
  it.each<[string, RequestOp[]]>([
    ['puts one key twice', [put('a'), put('a')]],
    ['puts and deletes one key', [put('a'), del('a')]],
    ['puts a key of a deleted range', [del('a', 'c'), put('b')]],
    ['puts in a nested transaction what it puts itself', [txn([put('a')]), put('a')]],
    ['puts one key in two nested transactions', [txn([put('a')]), txn([], [put('a')])]],
    ['deletes in a nested transaction what it puts itself', [txn([del('a', 'z')]), put('b')]],
  ])('refuses a branch that %s', (_, ops) => {
    expect(() => check(...ops)).toThrow('etcdserver: duplicate key given in txn request');
  });

  it.each<[string, RequestOp[]]>([
    ['puts different keys', [put('a'), put('b')]],
    ['deletes one key twice', [del('a'), del('a', 'b')]],
    ['puts one key in both branches of a nested transaction', [txn([put('a')], [put('a')])]],
    ['puts the end of a deleted range', [del('a', 'c'), put('c')]],
    ['deletes to the last key and puts one: etcd does not look there', [del('a', '\0'), put('b')]],
  ])('takes a branch that %s', (_, ops) => {
    expect(() => check(...ops)).not.toThrow();
  });

  it('refuses an empty operation and an empty key', () => {
    expect(() => check({})).toThrow('etcdserver: key not found');
    expect(() => check(put(''))).toThrow('etcdserver: key is not provided');
  });
});
