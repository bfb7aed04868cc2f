import { describe, expect, it } from 'vitest';
import { CoordService } from '../../../lib/coord/coord.service.js';
import { observeClog } from '../../../lib/testing/observe-clog.js';
import { runWithTrace } from '../../../lib/trace/trace-store.js';
import { etcdKinds, startEtcdOf } from '../etcd-kinds.js';

const CHANGES = 200;
/** What the changes may take, 50 ms, times ten: other specs run beside this one. bench/log/live-level.mjs has the figure. */
const SLOWEST = 500;

describe.each(await etcdKinds())('the level at the key of the configuration centre (%s)', (kind) => {
  it('is in force on loggers and requests that run, and gone with the key', async () => {
    const etcd = await startEtcdOf(kind);
    const service = { name: 'user-service' };
    const coord = await CoordService.connect({ service, endpoints: etcd.endpoints });
    const logs = observeClog({ level: 'info' });
    const user = logs.clog.namespace('user');
    logs.clog.follow(coord.config.watchNearest('clog'));
    const reaches = async (level: string) => {
      const started = performance.now();
      while (user.level !== level && performance.now() - started < 5000) await new Promise(setImmediate);
      expect(user.level).toBe(level);
      return performance.now() - started;
    };
    try {
      await runWithTrace('job-42', async () => {
        user.debug('too early');
        await coord.config.set('/config/dev/global/clog', { level: 'debug' });
        await reaches('debug');
        user.debug('from the global key');
      });
      await coord.config.set('clog', { levels: { user: 'error' } });
      await reaches('error');
      await coord.config.set('clog', { level: 'loud' });
      await expect.poll(() => logs.level('warn').messages()).toHaveLength(1);
      expect(user.level).toBe('error');
      await coord.config.delete('clog');
      await reaches('debug');
      await coord.config.delete('/config/dev/global/clog');
      await reaches('info');
      expect(logs.namespace('user').messages()).toEqual(['from the global key']);

      const times: number[] = [];
      for (let change = 0; change < CHANGES; change++) {
        const level = change % 2 === 0 ? 'trace' : 'warn';
        await coord.config.set('clog', { level });
        times.push(await reaches(level));
      }
      times.sort((left, right) => left - right);
      expect(times[Math.floor(CHANGES * 0.99)]).toBeLessThan(SLOWEST);
    } finally {
      await logs.clog.close();
      await coord.close();
      await etcd.stop();
    }
  });
});
