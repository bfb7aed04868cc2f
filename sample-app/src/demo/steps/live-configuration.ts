import { type Order } from '../../shared/order.messages.js';
import { type Shop } from '../../shared/shop.config.js';
import { type User } from '../../shared/user.messages.js';
import { type Fleet } from '../fleet.js';
import { type Step } from '../stage.js';
import { passed, until } from '../until.js';

const key = '/config/demo/global/shop';
/** Nothing that runs here may print it; `.ci/run` looks for its first word in all output. */
const voucherPin = 'hush-canary-of-the-demo';

export const liveConfiguration: Step = {
  title: '3. A configuration key changes: every process follows, none restarts',
  async play({ fleet, narrator, signal }) {
    const { config } = fleet.coord;
    const processes = fleet.running;
    narrator.table(['process', 'says'], [...(await views(fleet))]);

    await config.set(key, { greeting: 'Ahoy', discountPercent: 20, voucherPin }, { signal });
    const ms = await until('all processes follow', async () => allSay(await views(fleet), fleet), signal);
    narrator.say(`put ${key} '{"greeting":"Ahoy","discountPercent":20,"voucherPin":"…"}'`);
    narrator.table(['process', 'says'], [...(await views(fleet))]);
    narrator.check(`all processes followed (all ${processes.length} seen after ${ms} ms)`, true);

    const printed = processes.map(({ log }) => log.count);
    const revision = await config.set(key, { greeting: 42, discountPercent: 20, voucherPin }, { signal });
    narrator.say(`put ${key} '{"greeting":42,"discountPercent":20,"voucherPin":"…"}'`);
    const refused = (index: number): boolean =>
      processes[index]!.log.since(printed[index]!).some(
        (line) => line.level === 'warn' && line['key'] === key && line['revision'] === String(revision),
      );
    const took = await until(
      'every process says that it refused it',
      () => processes.every((_, index) => refused(index)),
      signal,
    );
    await passed(100, signal);
    narrator.check(
      `every process refused it with a warning (after ${took} ms) and kept the last good value`,
      allSay(await views(fleet), fleet),
    );
    const shown = JSON.stringify([await fleet.get('/shop'), processes.map(({ log }) => log.since(0))]);
    narrator.check(
      'the pin that the key holds too is "[secret]" wherever it was shown',
      shown.includes('[secret]') && !shown.includes(voucherPin),
    );
    await config.set(key, { greeting: 'Hello', discountPercent: 0 }, { signal });
    const same = processes.every((each) => each.running && fleet.member(each.instanceId) === each);
    narrator.check('no process was restarted', same);
  },
};

/** Whether each process that runs was seen, and uses the new value. */
function allSay(seen: ReadonlyMap<string, string>, fleet: Fleet): boolean {
  return fleet.running.every(({ instanceId }) => /Ahoy| 800 /.test(seen.get(instanceId) ?? ''));
}

/** What each process does with the value: the users' services greet, the orders' services count, the gateway shows. */
async function views(fleet: Fleet): Promise<Map<string, string>> {
  const seen = new Map<string, string>();
  const shop = await fleet.get<Shop & { servedBy: string }>('/shop');
  seen.set(shop.servedBy, `${shop.greeting}, ${shop.discountPercent} % off`);
  for (let call = 0; seen.size < fleet.running.length && call < 40; call++) {
    const user = await fleet.get<User>('/users/0');
    seen.set(user.servedBy, user.greeting);
    const order = await fleet.post<Order>('/orders', { item: 'poster', quantity: 1 });
    seen.set(order.servedBy, `a poster for ${order.total} cents`);
  }
  return new Map([...seen].sort(([a], [b]) => a.localeCompare(b)));
}
