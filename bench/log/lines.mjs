// The price of a line: clog against a raw pino child that writes the same bytes, and against nestjs-pino's PinoLogger.
//
// Each process measures one pair: a third kind of logger in it would make the engine's inline caches slower for all.
// Slices of some hundred microseconds run in turn, and the 20th percentile of each side's slices counts: what else the
// machine does hits single slices, not the ratio ("raw pino child again" shows what is left of it). The layout of
// compiled code differs from process to process, so the ratios of several are shown, and their median.
//
// Usage: npm run build && node bench/log/lines.mjs [--processes 7] [--rounds 600] [--lines 200]
import { execFileSync } from 'node:child_process';
import { openSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median, quantile } from '../support/rounds.mjs';

const { values } = parseArgs({
  options: {
    processes: { type: 'string', default: '7' },
    rounds: { type: 'string', default: '600' },
    lines: { type: 'string', default: '200' },
    pair: { type: 'string' },
    turn: { type: 'string', default: '0' },
  },
});
const rounds = Number(values.rounds);
const lines = Number(values.lines);
const TRACE = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const NAMESPACE = 'user.auth';
const MESSAGE = 'signed in';
const fields = (n) => ({ userId: n, path: '/users', ok: true });

// One destination for all: what differs is the way to it.
const fd = openSync('/dev/null', 'w');
const destination = { write: (line) => void writeSync(fd, line) };

async function rawLogger() {
  const { pino } = await import('pino');
  const root = pino(
    { level: 'info', base: { service: 'bench' }, formatters: { level: (level) => ({ level }) } },
    destination,
  );
  const outside = root.child({ namespace: NAMESPACE });
  return { root, outside, inside: outside.child({ trace_id: TRACE.traceId, span_id: TRACE.spanId }) };
}

async function clogLogger() {
  const { ClogService } = await import('../../dist/esm/index.js');
  const output = { ...destination, flush: async () => {}, close: async () => {} };
  const options = { service: { name: 'bench' }, format: 'json', level: 'info' };
  return ClogService.create(options, { output }).namespace(NAMESPACE);
}

async function traced(run) {
  const { runWithTrace } = await import('../../dist/esm/index.js');
  return runWithTrace(TRACE, run);
}

/** A side: what one turn does, how many lines that is, and what it runs in. */
const SIDES = {
  async raw() {
    const { inside } = await rawLogger();
    return { turn: (n) => inside.info(fields(n), MESSAGE), around: traced };
  },
  async clog() {
    const clog = await clogLogger();
    return { turn: (n) => clog.info(MESSAGE, fields(n)), around: traced };
  },
  async rawOutside() {
    const { outside } = await rawLogger();
    return { turn: (n) => outside.info(fields(n), MESSAGE) };
  },
  async clogOutside() {
    const clog = await clogLogger();
    return { turn: (n) => clog.info(MESSAGE, fields(n)) };
  },
  async rawBare() {
    const { inside } = await rawLogger();
    return { turn: () => inside.info(MESSAGE), around: traced };
  },
  async clogBare() {
    const clog = await clogLogger();
    return { turn: () => clog.info(MESSAGE), around: traced };
  },
  async rawOff() {
    const { inside } = await rawLogger();
    return { turn: (n) => inside.debug(n, MESSAGE), around: traced, repeat: 100 };
  },
  async clogOff() {
    const clog = await clogLogger();
    return { turn: (n) => clog.debug(MESSAGE, n), around: traced, repeat: 100 };
  },
  async rawRequest() {
    const { outside } = await rawLogger();
    const { runWithTrace } = await import('../../dist/esm/index.js');
    return {
      turn(n) {
        const request = outside.child({ trace_id: TRACE.traceId, span_id: TRACE.spanId });
        // The same store around it: a request's logger must get to its lines somehow.
        runWithTrace(TRACE, () => {
          for (let line = 0; line < 3; line++) request.info(fields(n), MESSAGE);
        });
      },
      repeat: 1 / 3,
    };
  },
  async clogRequest() {
    const clog = await clogLogger();
    const { runWithTrace } = await import('../../dist/esm/index.js');
    return {
      turn(n) {
        runWithTrace(TRACE, () => {
          for (let line = 0; line < 3; line++) clog.info(MESSAGE, fields(n));
        });
      },
      repeat: 1 / 3,
    };
  },
  async pinoLogger() {
    const { PinoLogger } = await import('nestjs-pino');
    const { root } = await rawLogger();
    const logger = new PinoLogger({ pinoHttp: { logger: root }, renameContext: 'namespace' });
    logger.setContext(NAMESPACE);
    const bindings = { trace_id: TRACE.traceId, span_id: TRACE.spanId };
    return {
      turn: (n) => logger.info(fields(n), MESSAGE),
      around: (run) => logger.runInContext(run, { bindings }),
    };
  },
};

const PAIRS = {
  'three fields, in a request: raw pino child again': ['raw', 'raw'],
  'three fields, in a request: clog': ['raw', 'clog'],
  "three fields, in a request: nestjs-pino's PinoLogger": ['raw', 'pinoLogger'],
  'three fields, outside of requests: clog': ['rawOutside', 'clogOutside'],
  'no fields, in a request: clog': ['rawBare', 'clogBare'],
  'a new request with three lines: clog': ['rawRequest', 'clogRequest'],
  'a level that is off: clog': ['rawOff', 'clogOff'],
};

if (values.pair) console.log(JSON.stringify(await measure(PAIRS[values.pair], Number(values.turn))));
else report();

function report() {
  const processes = Number(values.processes);
  console.log(
    `node ${process.version}, ${processes} processes × ${rounds} rounds × ${lines} lines, to /dev/null`,
  );
  console.log('ns a line: raw pino, the other; speed of the other relative to raw pino (each process)');
  for (const pair of Object.keys(PAIRS)) {
    const runs = Array.from({ length: processes }, (_, turn) => runOnce(pair, turn));
    const ratios = runs.map(([raw, other]) => raw / other);
    const [raw, other] = [0, 1].map((side) =>
      median(runs.map((run) => run[side]))
        .toFixed(1)
        .padStart(7),
    );
    const all = ratios.map((each) => each.toFixed(2)).join(' ');
    console.log(`  ${pair.padEnd(54)} ${raw} ${other}  ${median(ratios).toFixed(2)}  (${all})`);
  }
}

function runOnce(pair, turn) {
  const self = fileURLToPath(import.meta.url);
  const args = [
    self,
    '--pair',
    pair,
    '--turn',
    `${turn}`,
    '--rounds',
    values.rounds,
    '--lines',
    values.lines,
  ];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
}

/** Every other process makes and starts with the second side, so that no side is always the first kind seen. */
async function measure(names, turn) {
  const order = turn % 2 === 0 ? [0, 1] : [1, 0];
  const sides = [];
  for (const at of order) sides[at] = await SIDES[names[at]]();
  const slices = [[], []];
  for (let round = -50; round < rounds; round++) {
    for (const at of round % 2 === 0 ? order : order.toReversed()) {
      const { around = (run) => run(), turn, repeat = 1 } = sides[at];
      const turns = Math.round(lines * repeat);
      const took = await around(() => slice(turn, turns));
      if (round >= 0) slices[at].push(took / Math.max(1, 1 / repeat));
    }
  }
  return slices.map((each) => quantile(each, 0.2));
}

function slice(turn, turns) {
  const started = process.hrtime.bigint();
  for (let n = 0; n < turns; n++) turn(n);
  return Number(process.hrtime.bigint() - started) / turns;
}
