import { describe, expect, it } from 'vitest';
import { RpcFailure } from '../../../lib/coord/etcd/rpc-failure.js';

const failure = (message: string): RpcFailure => new RpcFailure(new Error(message));

describe('a failed call', () => {
  it.each([
    ['14 UNAVAILABLE: No connection established. Last error: connect ECONNREFUSED 127.0.0.1:1', true],
    ['14 UNAVAILABLE: etcdserver: no leader', true],
    ['16 UNAUTHENTICATED: invalid auth token', true],
    ['3 INVALID_ARGUMENT: etcdserver: revision of auth store is old', true],
    ['8 RESOURCE_EXHAUSTED: etcdserver: too many requests', false],
  ])('did not run: %s', (message, doubt) => {
    expect(failure(message)).toMatchObject({ fate: 'not-run', doubt });
  });

  it.each([
    ['14 UNAVAILABLE: Connection dropped', true],
    ['14 UNAVAILABLE: read ECONNRESET', true],
    ['1 CANCELLED: no answer within 5000 ms', true],
    ['14 UNAVAILABLE: etcdserver: request timed out', false],
    ['14 UNAVAILABLE: etcdserver: leader changed', false],
    ['13 INTERNAL: Received RST_STREAM with code 2', true],
    ['14 UNAVAILABLE: etcdserver: server stopped', true],
    ['8 RESOURCE_EXHAUSTED: Bandwidth exhausted or memory limit exceeded', true],
    ['8 RESOURCE_EXHAUSTED: Received message larger than max (5 vs 4)', true],
  ])('may have run: %s', (message, doubt) => {
    expect(failure(message)).toMatchObject({ fate: 'unknown', doubt });
  });

  it.each([
    '3 INVALID_ARGUMENT: etcdserver: request is too large',
    '5 NOT_FOUND: etcdserver: requested lease not found',
    '7 PERMISSION_DENIED: etcdserver: permission denied',
    '8 RESOURCE_EXHAUSTED: Attempted to send message with a size larger than max',
    '8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded',
    '8 RESOURCE_EXHAUSTED: grpc: received message larger than max (3000000 vs. 2097152)',
    '11 OUT_OF_RANGE: etcdserver: mvcc: required revision has been compacted',
  ])('was refused: %s', (message) => {
    expect(failure(message)).toMatchObject({ fate: 'refused', doubt: false });
  });

  it('gives code and reason apart, and becomes a public error', () => {
    const refusal = failure('7 PERMISSION_DENIED: etcdserver: permission denied').toRefusal();
    expect(refusal).toMatchObject({
      code: 'ETCD_REFUSED',
      status: 7,
      reason: 'etcdserver: permission denied',
    });
  });

  it('is believed to be unknown when nobody can read it', () => {
    expect(new RpcFailure('what?')).toMatchObject({ fate: 'unknown', doubt: true, reason: 'what?' });
  });
});
