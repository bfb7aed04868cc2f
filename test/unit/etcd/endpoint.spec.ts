import { describe, expect, it } from 'vitest';
import { parseEndpoints } from '../../../lib/coord/etcd/endpoint.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';

const parse = (endpoints: unknown, tls = false) => parseEndpoints('coord.endpoints', endpoints, tls);

describe('endpoints', () => {
  it('may be given with and without a scheme, and as IPv6', () => {
    expect(parse(['127.0.0.1:2379', 'HTTP://etcd-1.local:2379/', 'http://[::1]:2380'])).toEqual([
      { address: '127.0.0.1:2379', secure: false },
      { address: 'etcd-1.local:2379', secure: false },
      { address: '[::1]:2380', secure: false },
    ]);
  });

  it('are secure without a scheme when certificates are given', () => {
    expect(parse(['etcd:2379'], true)).toEqual([{ address: 'etcd:2379', secure: true }]);
  });

  it('count once when given twice', () => {
    expect(parse(['etcd:2379', 'http://etcd:2379'])).toHaveLength(1);
  });

  it.each([
    [[]],
    ['127.0.0.1:2379'],
    [['127.0.0.1']],
    [['127.0.0.1:0']],
    [['127.0.0.1:70000']],
    [['ftp://etcd:2379']],
    [['http://etcd:2379/path']],
    [['http://user:secret@etcd:2379']],
    [['http://etcd:2379', 'https://etcd:2380']],
    [[42]],
  ])('refuses %j and names the option', (endpoints) => {
    expect(() => parse(endpoints)).toThrow(ValidationError);
    expect(() => parse(endpoints)).toThrow(/^coord\.endpoints/);
  });

  it('refuses plain endpoints where certificates are given', () => {
    expect(() => parse(['http://etcd:2379'], true)).toThrow(/https endpoints where `tls` is given/);
  });
});
