import { expect, describe, it } from 'vitest';
import { CoordService } from '../../lib/coord/coord.service.js';
import { etcdKinds, startEtcdOf } from '../integration/etcd-kinds.js';
import { NodeProcess } from './run-node.js';

const MIN_HOLD = 4_000;

/** Gets the lock right before its session is renewed, when the lease has least time left, and is killed with it. */
const script = (endpoint: string) => `
  import { CoordService } from 'im-infra';
  const coord = await CoordService.connect({ service: { name: 'crash' }, endpoints: ['${endpoint}'] });
  const options = { ttl: '2s', minHold: ${MIN_HOLD} };
  const first = await coord.lock.acquire('warm-up', options);
  const third = (await first.ttl()) / 3;
  await new Promise((resolve) => setTimeout(resolve, third));
  await coord.lock.acquire('job', options);
  console.log('acquired');
  setInterval(() => undefined, 1_000);
`;

describe.each(await etcdKinds())('a process that is killed, on etcd (%s)', (kind) => {
  it('leaves a lock to nobody before minHold is over', async () => {
    const etcd = await startEtcdOf(kind);
    const coord = await CoordService.connect({ service: { name: 'next' }, endpoints: etcd.endpoints });
    try {
      const holder = new NodeProcess(['--input-type=module', '--eval', script(etcd.endpoints[0]!)]);
      await holder.prints(/acquired/);
      const acquired = performance.now();
      holder.kill('SIGKILL');
      await holder.ended;
      const next = await coord.lock.acquire('job', { timeout: '40s' });
      // What it printed was read after it had the lock, by at most the 10 ms between two looks, and a busy machine.
      expect(performance.now() - acquired).toBeGreaterThan(MIN_HOLD - 250);
      await next.release();
    } finally {
      await coord.close();
      await etcd.stop();
    }
  });
});
