import { setTimeout as passed } from 'node:timers/promises';
import { Load } from '../load.js';
import { type Step } from '../stage.js';
import { until } from '../until.js';

export const comeAndGo: Step = {
  title: '2. Under load: one joins, one is stopped, one is killed',
  async play({ fleet, narrator }) {
    const load = new Load(fleet.url);
    try {
      await passed(500);
      await fleet.join('user-service', 'user-3');
      const ms = await until('user-3 gets calls', () => load.of('user-3') >= 20);
      narrator.check(`user-3 joined and got its first 20 calls within ${ms} ms of being registered`, true);

      let failedBefore = load.failed;
      const code = await fleet.member('user-2').stop();
      await passed(500);
      narrator.check(`user-2 was stopped with SIGTERM and ended with exit code ${code}`, code === 0);
      narrator.check(
        `calls that failed because of it: ${load.failed - failedBefore}`,
        load.failed === failedBefore,
      );

      failedBefore = load.failed;
      const before = load.sent;
      await fleet.member('user-3').kill();
      await passed(1_500);
      narrator.check(
        `user-3 was killed with SIGKILL; of the next ${load.sent - before} calls failed: ${load.failed - failedBefore}`,
        load.failed === failedBefore,
      );
      const [gone] = await Promise.all([
        until('the registry forgets user-3', async () =>
          (await fleet.instances('user-service')).every(({ id }) => id !== 'user-3'),
        ),
        fleet.join('user-service', 'user-2'),
      ]);
      narrator.say(`its key went with its lease, ${((gone + 1_500) / 1000).toFixed(1)} s after the kill`);
      const calls = load.of('user-2');
      await until('the new user-2 gets calls', () => load.of('user-2') > calls);
    } finally {
      await load.stop();
    }
    narrator.table(
      ['instance', 'calls'],
      [...load.calls].sort(([a], [b]) => a.localeCompare(b)),
    );
    for (const [reason, count] of load.failures) narrator.say(`${count} x ${reason}`);
    narrator.check(`${load.sent} calls in all, ${load.failed} failed`, load.failed === 0);
  },
};
