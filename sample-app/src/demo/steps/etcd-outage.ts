import { CoordService } from 'im-infra';
import { type User } from '../../shared/user.messages.js';
import { Load } from '../load.js';
import { type Step } from '../stage.js';
import { passed, until } from '../until.js';

/** That of the fleet's registrations, in ms. */
const leaseTtl = 5_000;
const outage = leaseTtl + 1_000;

export const etcdOutage: Step = {
  title: '6. etcd goes away under load, and comes back',
  async play({ fleet, etcd, narrator, signal }) {
    const expected = fleet.running
      .filter(({ service }) => service !== 'gateway')
      .map(({ instanceId }) => instanceId)
      .sort();
    const load = new Load(async (id) => (await fleet.get<User>(`/users/${id}`)).servedBy);
    try {
      await etcd.goAway();
      narrator.say(`${etcd.lossOf}; it stays away for ${outage / 1000} s`);
      const before = load.sent;
      await passed(outage, signal);
      narrator.check(
        `${load.sent - before} calls without etcd, ${load.failed} failed`,
        load.failed === 0 && load.sent - before > 100,
      );
      await etcd.comeBack();
      const there = (): Promise<boolean> => registered(etcd.endpoints, expected, signal);
      const ms = await until('all registrations are there', there, signal);
      narrator.check(`etcd is back; ${ms} ms later all are registered: ${expected.join(', ')}`, true);
      // A restarted etcd gives old leases one more life: only after that it shows who renews again.
      await passed(leaseTtl + 500, signal);
      narrator.check(`and ${leaseTtl / 1000} s later they still are: the leases are renewed`, await there());
    } finally {
      await load.stop();
    }
    for (const [reason, count] of load.failures) narrator.say(`${count} x ${reason}`);
    narrator.check(`${load.sent} calls in all, ${load.failed} failed`, load.failed === 0);
  },
};

/** Asks as somebody who was not there before: the fleet's own views keep the last good set through an outage. */
async function registered(
  endpoints: readonly string[],
  expected: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  const service = { name: 'newcomer', env: 'demo' };
  const newcomer = await CoordService.connect({ service, endpoints: [...endpoints] }, {}, { signal });
  try {
    const services = ['user-service', 'order-service'];
    const found = await Promise.all(services.map((name) => newcomer.registry.discover(name)));
    return expected.every((id) => found.flat().some((instance) => instance.id === id));
  } finally {
    await newcomer.close();
  }
}
