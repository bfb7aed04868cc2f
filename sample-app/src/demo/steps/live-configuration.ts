import { setTimeout as passed } from 'node:timers/promises';
import { type Order } from '../../shared/order.messages.js';
import { type Shop } from '../../shared/shop.config.js';
import { type User } from '../../shared/user.messages.js';
import { type Fleet } from '../fleet.js';
import { type Step } from '../stage.js';
import { until } from '../until.js';

const key = '/config/demo/global/shop';

export const liveConfiguration: Step = {
  title: '3. A configuration key changes: every process follows, none restarts',
  async play({ fleet, narrator }) {
    const pids = [...fleet.members.values()].map(({ pid }) => pid).join();
    narrator.table(['process', 'says'], [...(await views(fleet))]);

    await fleet.coord.config.set(key, { greeting: 'Ahoy', discountPercent: 20 });
    const ms = await until('all processes follow', async () =>
      [...(await views(fleet)).values()].every((view) => view.includes('Ahoy') || view.includes('800')),
    );
    narrator.say(`put ${key} '{"greeting":"Ahoy","discountPercent":20}'`);
    narrator.table(['process', 'says'], [...(await views(fleet))]);
    narrator.check(`all processes followed (all five seen after ${ms} ms)`, true);

    await fleet.coord.config.set(key, { greeting: 42, discountPercent: 20 });
    narrator.say(`put ${key} '{"greeting":42,"discountPercent":20}'`);
    const refused = await until('every process says that it refused it', () =>
      [...fleet.members.values()]
        .filter(({ running }) => running)
        .every(({ log }) =>
          log.some(({ level, msg }) => level === 'warn' && /config|refus|reject/i.test(String(msg))),
        ),
    );
    await passed(100);
    narrator.check(
      `every process refused it with a warning (after ${refused} ms) and kept the last good value`,
      [...(await views(fleet)).values()].every((view) => view.includes('Ahoy') || view.includes('800')),
    );
    await fleet.coord.config.set(key, { greeting: 'Hello', discountPercent: 0 });
    narrator.check(
      'no process was restarted',
      pids === [...fleet.members.values()].map(({ pid }) => pid).join(),
    );
  },
};

/** What each process does with the value: the users' services greet, the orders' services count, the gateway shows. */
async function views(fleet: Fleet): Promise<Map<string, string>> {
  const seen = new Map<string, string>();
  const shop = await fleet.get<Shop & { servedBy: string }>('/shop');
  seen.set(shop.servedBy, `${shop.greeting}, ${shop.discountPercent} % off`);
  for (let call = 0; seen.size < 5 && call < 40; call++) {
    const user = await fleet.get<User>('/users/0');
    seen.set(user.servedBy, user.greeting);
    const order = await fleet.post<Order>('/orders', { item: 'poster', quantity: 1 });
    seen.set(order.servedBy, `a poster for ${order.total} cents`);
  }
  return new Map([...seen].sort(([a], [b]) => a.localeCompare(b)));
}
