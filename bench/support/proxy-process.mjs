// A FaultProxy in a process of its own: what passes through it would otherwise cost the measured process more than its own work.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { FaultProxy } from '../../dist/esm/testing/index.js';

const file = fileURLToPath(import.meta.url);

/** @param {string} target the endpoint behind it */
export async function startProxy(target) {
  const child = fork(file, [target]);
  const [endpoint] = await once(child, 'message');
  return {
    endpoint,
    cut: () => child.send('cut'),
    stall: () => child.send('stall'),
    refuse: () => child.send('refuse'),
    resume: () => child.send('resume'),
    close: async () => {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

if (process.argv[1] === file) {
  const proxy = await FaultProxy.start({ target: process.argv[2] });
  process.on('message', (fault) => proxy[fault]());
  process.once('disconnect', () => void proxy.close());
  process.send(proxy.endpoint);
}
