import { firstValueFrom } from 'rxjs';
import { userProto } from '../../shared/protos.js';
import { type User, type UserService } from '../../shared/user.messages.js';
import { type Fleet } from '../fleet.js';
import { type Call, Load } from '../load.js';
import { type Step } from '../stage.js';
import { passed, until } from '../until.js';

export const comeAndGo: Step = {
  title: '2. Under load: one joins, one is stopped, one is killed',
  async play({ fleet, narrator, signal }) {
    const load = new Load(async (id) => (await fleet.get<User>(`/users/${id}`)).servedBy);
    // The gateway may repeat a call on another instance. Whether a stop is graceful shows where nobody may.
    const bare = new Load(withoutRetry(fleet));
    try {
      await passed(500, signal);
      await fleet.join('user-service', 'user-3');
      const ms = await until('user-3 gets calls', () => load.of('user-3') >= 20, signal);
      narrator.check(`user-3 joined and got its first 20 calls within ${ms} ms of being registered`, true);

      let failedBefore = load.failed;
      let before = load.sent;
      const [bareBefore, reached] = [bare.sent, bare.of('user-2') > 0];
      const code = await fleet.member('user-2').stop();
      await passed(500, signal);
      narrator.check(`user-2 was stopped with SIGTERM and ended with exit code ${code}`, code === 0);
      narrator.check(
        `of ${load.sent - before} calls through the gateway failed because of it: ${load.failed - failedBefore}`,
        load.failed === failedBefore,
      );
      narrator.check(
        `of ${bare.sent - bareBefore} calls of a client that repeats nothing: ${bare.failed}`,
        bare.failed === 0 && reached,
      );
      await bare.stop();

      failedBefore = load.failed;
      before = load.sent;
      await fleet.member('user-3').kill();
      await passed(1_500, signal);
      narrator.check(
        `user-3 was killed with SIGKILL; of the next ${load.sent - before} calls failed: ${load.failed - failedBefore}`,
        load.failed === failedBefore,
      );
      const forgotten = async (): Promise<boolean> =>
        (await fleet.instances('user-service')).every(({ id }) => id !== 'user-3');
      const [gone] = await Promise.all([
        until('the registry forgets user-3', forgotten, signal),
        fleet.join('user-service', 'user-2'),
      ]);
      narrator.say(`its key went with its lease, ${((gone + 1_500) / 1000).toFixed(1)} s after the kill`);
      const calls = load.of('user-2');
      await until('the new user-2 gets calls', () => load.of('user-2') > calls, signal);
    } finally {
      await Promise.all([load.stop(), bare.stop()]);
    }
    narrator.table(
      ['instance', 'calls'],
      [...load.calls].sort(([a], [b]) => a.localeCompare(b)),
    );
    for (const [reason, count] of [...load.failures, ...bare.failures]) narrator.say(`${count} x ${reason}`);
    narrator.check(`${load.sent} calls in all, ${load.failed} failed`, load.failed === 0);
  },
};

/** A client of this process, on the same registry. */
function withoutRetry(fleet: Fleet): Call {
  const client = fleet.coord.registry.clientProxy('user-service', { ...userProto, retry: false });
  const users = client.getService<UserService>('UserService');
  return async (id) => (await firstValueFrom(users.getUser({ id: String(id) }))).servedBy;
}
