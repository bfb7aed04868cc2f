import { expect, it } from 'vitest';
import { CoordService } from '../../lib/index.js';
import { startEtcd } from '../../lib/testing/index.js';
import { describeOnContainers, etcdImage } from './engine.js';

describeOnContainers('the rung "container" of startEtcd', () => {
  it('starts an etcd in a container, says which image it took, and serves there', async () => {
    const lines: string[] = [];
    await using etcd = await startEtcd({
      kind: 'container',
      image: etcdImage,
      log: (line) => lines.push(line),
    });
    expect(etcd.kind).toBe('container');
    expect(lines).toEqual([`etcd: container (${etcdImage}) at ${etcd.endpoints[0]}`]);
    await using coord = await CoordService.connect({ service: { name: 'rung' }, endpoints: etcd.endpoints });
    expect(await coord.config.set('key', 1)).toBeGreaterThan(1n);
  });
});
