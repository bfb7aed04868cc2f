import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Warehouse } from '../order-service/warehouse.js';
import { startDemoEtcd } from './demo-etcd.js';
import { Fleet } from './fleet.js';
import { Narrator } from './narrator.js';
import { type Stage } from './stage.js';
import { comeAndGo } from './steps/come-and-go.js';
import { etcdOutage } from './steps/etcd-outage.js';
import { liveConfiguration } from './steps/live-configuration.js';
import { logLevel } from './steps/log-level.js';
import { oneLock } from './steps/one-lock.js';
import { spread } from './steps/spread.js';

const usage = `usage: npm run demo | npm start

  npm run demo   starts etcd and a fleet of five services, drives them through six steps, ends with 0 or 1
  npm start      starts the same and leaves it running until Ctrl-C

etcd is the one that ETCD_ENDPOINTS names, else one in a container (of an image
that an engine has), else \`etcd\` on the PATH, else one in a
process of Node; IM_ETCD=external|container|binary|embedded takes that one or fails.
`;

const steps = [spread, comeAndGo, liveConfiguration, logLevel, oneLock, etcdOutage];

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    process.stdout.write(usage);
    return 0;
  }
  const stay = args.includes('--stay');
  if (args.some((arg) => arg !== '--stay')) {
    process.stderr.write(usage);
    return 2;
  }

  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // Asked twice: the children end by themselves when this process is gone.
      if (stop.signal.aborted) process.exit(1);
      stop.abort(new Error(`stopped by ${signal}`));
    });
  }
  const narrator = new Narrator();
  const closers: (() => unknown)[] = [];
  try {
    const folder = mkdtempSync(join(tmpdir(), 'im-infra-demo-'));
    closers.push(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'warehouse.json');
    const warehouse = await Warehouse.open(file, { book: 1_000, mug: 1_000, poster: 1_000 });
    const etcd = await startDemoEtcd();
    closers.push(() => etcd.stop());
    const fleet = await Fleet.start({
      endpoints: etcd.endpoints,
      signal: stop.signal,
      env: { WAREHOUSE: file, LOG_FORMAT: stay ? 'console' : 'json' },
      ...(stay && { onLine: (id, line) => process.stdout.write(`${id.padEnd(10)} ${line}\n`) }),
    });
    closers.push(() => fleet.stop());
    const members = [...fleet.members].map(([id, { pid }]) => `${id} (${pid})`);
    narrator.say(`the fleet is up: ${members.join(', ')}`);
    if (stay) await untilStopped(fleet, etcd.endpoints, stop.signal);
    else await playAll({ fleet, etcd, warehouse, narrator, signal: stop.signal });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    narrator.say((stop.signal.reason as Error).message);
  } finally {
    for (const close of closers.reverse()) await close();
  }
  return narrator.failed === 0 && (stay || !stop.signal.aborted) ? 0 : 1;
}

async function playAll(stage: Stage): Promise<void> {
  const { narrator, signal } = stage;
  for (const { title, play } of steps) {
    signal.throwIfAborted();
    narrator.title(title);
    try {
      await play(stage);
    } catch (error) {
      signal.throwIfAborted();
      narrator.fail(error instanceof Error ? error.message : String(error));
      lastWords(stage.fleet);
    }
  }
  narrator.title(narrator.failed === 0 ? 'Everything held.' : `${narrator.failed} claims did not hold.`);
}

/** After a failure: what each process said last, at warning level or above, helps more than our own surprise. */
function lastWords(fleet: Fleet): void {
  for (const [id, { log }] of fleet.members) {
    for (const line of log.loud(5)) process.stdout.write(`         ${id}: ${JSON.stringify(line)}\n`);
  }
}

async function untilStopped(fleet: Fleet, endpoints: readonly string[], signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const at = endpoints.join(',');
  process.stdout.write(`
Try:
  curl ${fleet.url}/users/1
  curl ${fleet.url}/shop
  curl ${fleet.url}/stock/book
  curl -X POST -H 'content-type: application/json' -d '{"item":"book","quantity":1}' ${fleet.url}/orders
  npx im-infra services ls --endpoints ${at}
  npx im-infra config set /config/demo/global/shop '{"greeting":"Ahoy","discountPercent":20}' --endpoints ${at}
Ctrl-C stops the fleet; a second one does not wait for it.

`);
  await new Promise<void>((resolve) => {
    // A timer holds the process: a signal handler alone does not.
    const hold = setInterval(() => undefined, 60_000);
    signal.addEventListener('abort', () => {
      clearInterval(hold);
      resolve();
    });
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
