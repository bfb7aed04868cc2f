// What a line waits for while its file is put aside and zipped, against a file that only grows.
//
// Lines come in small lots, a turn of the event loop apart. A line's time is that of the call; the loop's is the time from
// the end of a lot to the beginning of the next, which is the lot's pause and whatever else held the loop up.
// Usage: npm run build && node bench/log/rotation.mjs [--seconds 6] [--size 4]
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { ClogService } from '../../dist/esm/index.js';
import { quantile } from '../support/rounds.mjs';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '6' }, size: { type: 'string', default: '4' } },
});
const LOT = 50;
const maxSize = Number(values.size);
const kept = { maxSize, maxBackups: 0, maxAge: 0 };
const VARIANTS = {
  'no rotation': undefined,
  'put aside': { ...kept, compress: false },
  'put aside and zipped': { ...kept, compress: true },
};
const ids = Array.from({ length: 1000 }, () => Math.random().toString(36).repeat(8));

console.log(`node ${process.version}, ${values.seconds} s each, files of ${maxSize} MB`);
console.log(
  '                        lines   files   a line: median / p99 / worst   the loop: median / p99 / worst',
);
for (const [name, rotation] of Object.entries(VARIANTS)) await run(name, rotation);

async function run(name, rotation) {
  const folder = mkdtempSync(join(tmpdir(), 'clog-rotation-'));
  const output = join(folder, 'app.log');
  const clog = ClogService.create({ service: { name: 'bench' }, format: 'json', output, rotation });
  const [lines, loop] = [[], []];
  const until = performance.now() + Number(values.seconds) * 1000;
  let n = 0;
  for (let ended = performance.now(); ended < until;) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    loop.push(performance.now() - ended);
    for (let left = LOT; left > 0; left--) {
      const started = performance.now();
      clog.info('order placed', { n, id: ids[n % ids.length], path: '/orders', ok: true });
      lines.push(performance.now() - started);
      n++;
    }
    ended = performance.now();
  }
  await clog.close();
  const files = readdirSync(folder);
  check(folder, files, n);
  const show = (list) =>
    [quantile(list, 0.5), quantile(list, 0.99), Math.max(...sample(list))]
      .map((each) => `${each.toFixed(3)} ms`)
      .join(' / ');
  console.log(
    `  ${name.padEnd(20)} ${String(n).padStart(7)} ${String(files.length).padStart(7)}   ${show(lines)}   ${show(loop)}`,
  );
  if (rotation?.compress === true) {
    const text = gunzipSync(
      readFileSync(
        join(
          folder,
          files.find((each) => each.endsWith('.gz')),
        ),
      ),
    );
    const started = performance.now();
    gzipSync(text);
    console.log(
      `  zipping one of these files in a call takes ${(performance.now() - started).toFixed(0)} ms`,
    );
  }
  rmSync(folder, { recursive: true });
}

/** Math.max takes its values as arguments, of which there may not be a million. */
function sample(list) {
  return [...list].sort((left, right) => right - left).slice(0, 1);
}

/** Every line once, in order, over all files. */
function check(folder, files, count) {
  const backups = files.filter((each) => each !== 'app.log').sort();
  let n = 0;
  for (const each of [...backups, 'app.log']) {
    const bytes = readFileSync(join(folder, each));
    for (const line of (each.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString().split('\n')) {
      if (line !== '' && JSON.parse(line).n !== n++)
        throw new Error(`line ${n - 1} is missing or out of order`);
    }
  }
  if (n !== count) throw new Error(`${count} lines were written, ${n} are there`);
}
