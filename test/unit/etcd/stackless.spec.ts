import { expect, it } from 'vitest';
import { withoutStacks } from '../../../lib/coord/etcd/stackless.js';

const lines = () => (new Error('made here').stack ?? '').split('\n').length;

it('makes errors without a stack, until it is told to stop', () => {
  const limit = Error.stackTraceLimit;
  const withStacks = withoutStacks();
  const without = lines();
  withStacks();
  expect(without).toBe(1);
  expect(lines()).toBeGreaterThan(1);
  expect(Error.stackTraceLimit).toBe(limit);
});

it('stops by itself at the end of the tick', async () => {
  const limit = Error.stackTraceLimit;
  withoutStacks();
  await Promise.resolve();
  expect(Error.stackTraceLimit).toBe(limit);
});

it('changes nothing when it ends twice, or within another', () => {
  const limit = Error.stackTraceLimit;
  const outer = withoutStacks();
  const inner = withoutStacks();
  inner();
  expect(Error.stackTraceLimit).toBe(0);
  outer();
  Error.stackTraceLimit = 7;
  outer();
  const kept = Error.stackTraceLimit;
  Error.stackTraceLimit = limit;
  expect(kept).toBe(7);
});
