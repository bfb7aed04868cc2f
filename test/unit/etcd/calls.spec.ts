import { expect, it } from 'vitest';
import { Calls } from '../../../lib/coord/etcd/calls.js';
import type { Connection } from '../../../lib/coord/etcd/connection.js';
import { RpcFailure } from '../../../lib/coord/etcd/rpc-failure.js';
import { FakeClock } from '../../support/fake-clock.js';

it('a call that waits for its next attempt ends at once when its signal aborts', async () => {
  let attempts = 0;
  const busy = {
    unary: async () => {
      attempts++;
      throw new RpcFailure(new Error('8 RESOURCE_EXHAUSTED: etcdserver: too many requests'));
    },
  };
  const connection = {
    live: busy,
    closing: new AbortController().signal,
    whenLive: async ({ signal }: { signal?: AbortSignal }) => {
      signal?.throwIfAborted();
      return busy;
    },
  } as unknown as Connection;
  const clock = new FakeClock();
  const calls = new Calls(connection, clock, () => 1, 5_000);
  const abort = new AbortController();
  const read = calls.read(async () => 'never', { signal: abort.signal });
  const ended = expect(read).rejects.toThrow('enough');
  await new Promise((resolve) => setImmediate(resolve));
  expect([attempts, clock.pending]).toEqual([1, 1]);
  abort.abort(new Error('enough'));
  await ended;
  expect([attempts, clock.pending]).toEqual([1, 0]);
});
