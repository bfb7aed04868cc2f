// From `config.set` of the clog key to the level in force, over etcd: on a logger that exists, and on those of a request
// that runs, which has made its children already: clog's, one of with(), and a pino child that a library was lent.
// And what a change of a table of levels takes to be applied to 1,000 namespaces, as it comes from the configuration.
// Usage: npm run build && node bench/log/live-level.mjs [--changes 200]
import { parseArgs } from 'node:util';
import { Subject } from 'rxjs';
import { CoordService, runWithTrace } from '../../dist/esm/index.js';
import { observeClog, startEtcd } from '../../dist/esm/testing/index.js';
import { quantile } from '../support/rounds.mjs';

const { values } = parseArgs({ options: { changes: { type: 'string', default: '200' } } });
const show = (list) =>
  [0.5, 0.99].map((share) => `${quantile(list, share).toFixed(2).padStart(6)} ms`).join(' ');

const etcd = await startEtcd();
console.log(`node ${process.version}, ${etcd.kind} etcd, ${values.changes} changes; median, p99`);
await overEtcd();
await etcd.stop();
applied('1,000 namespaces', false);
applied('1,000 namespaces, each lent to a library', true);

async function overEtcd() {
  const coord = await CoordService.connect({ service: { name: 'bench' }, endpoints: etcd.endpoints });
  const logs = observeClog({ level: 'info' });
  const { clog } = logs;
  const user = clog.namespace('user');
  const writes = (log) => {
    logs.takeAll();
    log();
    return logs.takeAll().length > 0;
  };
  clog.follow(coord.config.watchNearest('clog'));
  const times = { live: [], request: [], lent: [] };
  await runWithTrace('job-42', async () => {
    user.info('the request has its child');
    const fields = user.with({ n: 1 });
    const lent = user.currentPino;
    for (let change = -10; change < Number(values.changes); change++) {
      const level = change % 2 === 0 ? 'debug' : 'warn';
      const inForce = {
        live: () => user.level === level,
        request: () => writes(() => fields.debug('x')) === (level === 'debug'),
        lent: () => writes(() => lent.debug('x')) === (level === 'debug'),
      };
      const waiting = new Set(Object.keys(inForce));
      const started = performance.now();
      const set = coord.config.set('clog', { level });
      while (waiting.size > 0) {
        await new Promise(setImmediate);
        for (const each of waiting) {
          if (!inForce[each]()) continue;
          waiting.delete(each);
          if (change >= 0) times[each].push(performance.now() - started);
        }
      }
      await set;
    }
  });
  console.log(`  set() to the level in force, a logger:            ${show(times.live)}`);
  console.log(`  ... a logger of a request that runs:              ${show(times.request)}`);
  console.log(`  ... a pino child of it that was lent to a library:${show(times.lent)}`);
  await clog.close();
  await coord.close();
}

/** A table of 100 entries in turn with one of none, so that each change is one for all loggers. */
function applied(what, lend) {
  const { clog } = observeClog({ level: 'info' });
  const live$ = new Subject();
  clog.follow(live$);
  const loggers = Array.from({ length: 1000 }, (_, n) => clog.namespace(`area${n % 100}.part${n}`));
  if (lend) for (const each of loggers) void each.pino;
  const levels = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`area${n}`, 'debug']));
  const times = [];
  for (let round = -20; round < Number(values.changes); round++) {
    const value = round % 2 === 0 ? { level: 'warn', levels } : { level: 'error' };
    const started = performance.now();
    live$.next(value);
    if (round >= 0) times.push(performance.now() - started);
    const expected = round % 2 === 0 ? 'debug' : 'error';
    if (loggers.some(({ level }) => level !== expected)) throw new Error('a logger has another level');
  }
  console.log(`  applied to ${what.padEnd(39)}${show(times)}`);
}
