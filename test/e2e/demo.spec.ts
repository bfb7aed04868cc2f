import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { describe, expect, it, vi } from 'vitest';
import { etcdKinds } from '../integration/etcd-kinds.js';
import { isAlive, NodeProcess } from './run-node.js';

const demo = 'sample-app/dist/demo/main.js';

/** The processes that the demo says it started. */
function fleetOf(output: string): number[] {
  const line = /the fleet is up: (.*)/.exec(output)?.[1] ?? '';
  return [...line.matchAll(/\((\d+)\)/g)].map(([, pid]) => Number(pid));
}

/** Whether there is more to do than this machine can. */
const busy = (): boolean => (loadavg()[0] ?? 0) > 2 * cpus().length;

/** The processes that have this in their environment, as children of the one that was started with it. */
function processesWith(variable: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(variable);
    } catch {
      // Not a process, or not any more.
      return false;
    }
  });
}

describe.each(await etcdKinds())('the demo on etcd (%s)', (kind) => {
  it('plays its six steps, ends with 0 in under a minute and leaves nothing running', async () => {
    const from = performance.now();
    const others = busy();
    const { code, output } = await new NodeProcess([demo], { env: { IM_ETCD: kind }, limit: 115_000 }).ended;
    expect(output).not.toContain('FAILED');
    expect(output).toContain('Everything held.');
    expect(output).toContain(`etcd: ${kind}`);
    expect(code).toBe(0);
    // The minute is for a machine that has time for it.
    if (!others && !busy()) expect(performance.now() - from).toBeLessThan(60_000);
    expect(fleetOf(output)).toHaveLength(5);
    expect(fleetOf(output).filter(isAlive)).toEqual([]);
  });
});

describe.runIf(process.platform === 'linux')('the demo, stopped by Ctrl-C', () => {
  it('gives up its step, starts nothing more, leaves nothing running and ends with 1', async () => {
    const mark = randomUUID();
    const running = new NodeProcess([demo], { env: { IM_ETCD: 'embedded', DEMO_MARK: mark } });
    await running.prints(/^2\. Under load/m);
    running.kill('SIGINT');
    const { code, output } = await running.ended;
    expect(code).toBe(1);
    expect(output).toMatch(/stopped by SIGINT\n$/);
    expect(output).not.toContain('FAILED');
    expect(processesWith(`DEMO_MARK=${mark}`)).toEqual([]);
  });
});

describe('npm start', () => {
  const start = () => new NodeProcess([demo, '--stay'], { env: { IM_ETCD: 'embedded' } });

  it('does not wait for its fleet when it is asked twice, and leaves nothing running', async () => {
    const running = start();
    await running.prints(/Ctrl-C stops the fleet/);
    const fleet = fleetOf(running.output);
    running.kill('SIGINT');
    running.kill('SIGTERM');
    expect((await running.ended).code).toBe(1);
    await vi.waitFor(() => expect(fleet.filter(isAlive)).toEqual([]), 10_000);
  });

  it('leaves the fleet running and says what to try; Ctrl-C ends all of it with 0', async () => {
    const running = start();
    const [, url] = await running.prints(/curl (http:\S+)\/users\/1/);
    const user = (await (await fetch(`${url}/users/1`)).json()) as { name: string };
    expect(user.name).toBe('Barbara');
    running.kill('SIGINT');
    const { code, output } = await running.ended;
    expect(code).toBe(0);
    expect(fleetOf(output)).toHaveLength(5);
    expect(fleetOf(output).filter(isAlive)).toEqual([]);
  });

  it('takes its fleet along when it is killed and cannot say so', async () => {
    const running = start();
    await running.prints(/Ctrl-C stops the fleet/);
    const fleet = fleetOf(running.output);
    expect(fleet.filter(isAlive)).toHaveLength(5);
    running.kill('SIGKILL');
    await running.ended;
    await vi.waitFor(() => expect(fleet.filter(isAlive)).toEqual([]), 10_000);
  });

  it('ends when it is stopped while it starts', async () => {
    const running = start();
    await running.prints(/^etcd: embedded/m);
    running.kill('SIGINT');
    expect((await running.ended).code).toBe(0);
  });

  it('refuses a flag that it does not have, with 2', async () => {
    const { code, output } = await new NodeProcess([demo, '--forever']).ended;
    expect(code).toBe(2);
    expect(output).toContain('usage: npm run demo');
  });
});
