import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { runCommandLine } from '../../../lib/cli/command-line.js';
import { freePorts } from '../../../lib/testing/free-port.js';
import { until } from '../../support/until.js';
import { recordedIo } from '../../unit/cli/recorded-io.js';

describe('im-infra dev', () => {
  let stop: () => void = () => undefined;
  afterEach(() => stop());

  it.each([
    ['--port', (port: number) => String(port)],
    ['--endpoints', (port: number) => `127.0.0.1:${port}`],
  ])('serves where %s says, until it is stopped, and ends with 0', async (flag, value) => {
    const [port = 0] = await freePorts(1);
    const dev = recordedIo();
    ({ stop } = dev);
    const ended = runCommandLine(['dev', flag, value(port), '--json'], dev);
    await until(() => dev.out !== '');
    expect(JSON.parse(dev.out)).toEqual({ endpoint: `127.0.0.1:${port}` });
    const other = recordedIo();
    expect(await runCommandLine(['services', 'ls', '--endpoints', `127.0.0.1:${port}`], other)).toBe(0);
    stop();
    expect(await ended).toBe(0);
  });

  it('fails with 1 when the port is in use, and says what to do', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => void taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const io = recordedIo();
    expect(await runCommandLine(['dev', '--port', String(port)], io)).toBe(1);
    expect(io.err).toContain(`port ${port} of 127.0.0.1 is in use`);
    taken.close();
  });
});
