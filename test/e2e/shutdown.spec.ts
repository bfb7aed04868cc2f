import { describe, expect, it } from 'vitest';
import { freePorts } from '../../lib/testing/free-port.js';
import { etcdKinds, startEtcdOf } from '../integration/etcd-kinds.js';
import { TriedApp } from './tried-app.js';

/** Until it holds all of it: the registration comes after the port is open. */
async function up(app: TriedApp): Promise<void> {
  await app.says('up');
  await app.process.prints(/instance registered/);
}

/** The promise is 2 s for app.close() and the end of the process together. */
const promised = 2_000;

describe.each(await etcdKinds())(
  'an application that holds a lock, a watch and a registration, on etcd (%s)',
  (kind) => {
    it('ends by itself within 2 s of app.close()', async () => {
      const etcd = await startEtcdOf(kind);
      const [port = 0] = await freePorts(1);
      const app = new TriedApp({ endpoints: etcd.endpoints, port });
      await up(app);
      const { code, ms, output } = await app.close();
      await etcd.stop();
      expect(output).toContain('"what":"closed"');
      expect(code).toBe(0);
      expect(ms).toBeLessThan(promised);
    });

    it('ends by itself within 2 s of app.close() when etcd is gone', async () => {
      const etcd = await startEtcdOf(kind);
      const [port = 0] = await freePorts(1);
      const app = new TriedApp({ endpoints: etcd.endpoints, port });
      await up(app);
      await etcd.stop();
      const { code, ms, output } = await app.close();
      expect(output).toContain('"what":"closed"');
      expect(code).toBe(0);
      expect(ms).toBeLessThan(promised);
    });

    it('ends by itself within 2 s of app.close() when etcd hangs', async () => {
      const etcd = await startEtcdOf(kind);
      const [port = 0] = await freePorts(1);
      const app = new TriedApp({ endpoints: etcd.endpoints, port });
      await up(app);
      if (etcd.embedded) etcd.embedded.faults.stall();
      else etcd.process?.pause();
      const { code, ms, output } = await app.close();
      await etcd.stop();
      expect(output).toContain('"what":"closed"');
      expect(code).toBe(0);
      expect(ms).toBeLessThan(promised);
    });
  },
);
