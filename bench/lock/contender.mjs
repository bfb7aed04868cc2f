// One process of the contended benchmark: commands on standard input, answers in JSON, as the Go program does it.
import { createInterface } from 'node:readline';
import { CoordService } from '../../dist/esm/index.js';

let coord;
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...words] = line.split(' ');
  if (command === 'connect') {
    coord = await CoordService.connect({ service: { name: 'bench' }, endpoints: [words[0]] });
    console.log('{}');
  } else if (command === 'warm-up') {
    await warmUp(`warm-up-${words[0]}`, Number(words[1]));
    console.log('{}');
  } else if (command === 'contend') {
    const [name, waiters, ms] = [words[0], Number(words[1]), Number(words[2])];
    console.log(JSON.stringify(await contend(name, waiters, ms)));
  }
}
await coord?.close();

/** Lets V8 compile what runs often: three waiters on a lock of this process alone. */
async function warmUp(name, turns) {
  const waiter = async () => {
    for (let turn = 0; turn < turns; turn++) await (await coord.lock.acquire(name)).release();
  };
  await Promise.all([waiter(), waiter(), waiter()]);
}

/** Times are in microseconds of the wall clock, which all processes of the machine share. */
async function contend(name, waiters, ms) {
  const turns = [];
  const end = performance.now() + ms;
  const wall = () => Math.round((performance.timeOrigin + performance.now()) * 1000);
  await Promise.all(
    Array.from({ length: waiters }, async () => {
      while (performance.now() < end) {
        const lock = await coord.lock.acquire(name);
        const acquired = wall();
        turns.push([acquired, wall(), Number(lock.fencingToken)]);
        await lock.release();
      }
    }),
  );
  return turns;
}
