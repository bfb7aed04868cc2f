import { describe, expect, it } from 'vitest';
import { parseTracestate } from '../../../lib/trace/tracestate.js';

const members = (count: number) => Array.from({ length: count }, (_, at) => `bar${at}=${at}`).join(',');

describe('parseTracestate', () => {
  it.each([
    ['one member', 'foo=1', 'foo=1'],
    ['several members', 'foo=1,bar=2', 'foo=1,bar=2'],
    ['white space around members', 'foo=1 \t , \t bar=2, \t baz=3', 'foo=1,bar=2,baz=3'],
    ['empty members', 'foo=1,,bar=2,', 'foo=1,bar=2'],
    ['all the characters of a key', 'a0_-*/=1,0a_*/-@a-_0*/=2', 'a0_-*/=1,0a_*/-@a-_0*/=2'],
    ['values with inner and leading spaces', 'foo= 1 2', 'foo= 1 2'],
    [
      'a value of all allowed characters',
      'foo=!"#$%&\'()*+-./0:;<>?@A[\\]^_`a{|}~',
      'foo=!"#$%&\'()*+-./0:;<>?@A[\\]^_`a{|}~',
    ],
    [
      'the longest key and value',
      `${'z'.repeat(256)}=${'v'.repeat(256)}`,
      `${'z'.repeat(256)}=${'v'.repeat(256)}`,
    ],
    [
      'the longest tenant and system',
      `${'t'.repeat(241)}@${'v'.repeat(14)}=1`,
      `${'t'.repeat(241)}@${'v'.repeat(14)}=1`,
    ],
    ['32 members', members(32), members(32)],
    ['one of two members with the same key', 'foo=1,foo=2', 'foo=1'],
  ])('keeps %s', (_name, header, kept) => {
    expect(parseTracestate(header)).toBe(kept);
  });

  it.each([
    ['an empty header', ''],
    ['a member without a value', 'foo'],
    ['a member with an empty value', 'foo='],
    ['a member without a key', '=1'],
    ['a space before the equals sign', 'foo =1'],
    ['capitals in a key', 'FOO=1'],
    ['a dot in a key', 'foo.bar=1'],
    ['a key with an empty tenant', '@foo=1'],
    ['a key with an empty system', 'foo@=1'],
    ['a key with two at signs', 'foo@@bar=1'],
    ['a key with two systems', 'foo@bar@baz=1'],
    ['a key that is too long', `${'z'.repeat(257)}=1`],
    ['a tenant that is too long', `${'t'.repeat(242)}@v=1`],
    ['a system that is too long', `t@${'v'.repeat(15)}=1`],
    ['a value that is too long', `foo=${'v'.repeat(257)}`],
    ['an equals sign in a value', 'foo=bar=baz'],
    ['a control character in a value', 'foo=bar\u0001'],
    ['a line break', 'foo=1\nx=2'],
    ['a semicolon between members', 'foo=1;bar=2=3'],
    ['33 members', members(33)],
    ['more than 8 KiB', `foo=1,${' '.repeat(8192)}bar=2`],
  ])('drops %s', (_name, header) => {
    expect(parseTracestate(header)).toBeUndefined();
  });
});
