import { StaleTokenError } from '../../order-service/warehouse.js';
import { type Order, type Stock } from '../../shared/order.messages.js';
import { type Step } from '../stage.js';

const orders = 200;

export const oneLock: Step = {
  title: `5. ${orders} orders at once, from two processes, on one lock`,
  async play({ fleet, warehouse, narrator }) {
    const place = (path: string, item: string): Promise<Order[]> =>
      Promise.all(Array.from({ length: orders }, () => fleet.post<Order>(path, { item, quantity: 1 })));

    const careless = await fleet.get<Stock>('/stock/mug');
    await place('/orders?lock=no', 'mug');
    const sold = careless.left - (await fleet.get<Stock>('/stock/mug')).left;
    narrator.say(`without the lock: ${orders} orders confirmed, ${sold} taken from the shelf`);

    const before = await fleet.get<Stock>('/stock/book');
    const from = performance.now();
    const placed = await place('/orders', 'book');
    const ms = Math.round(performance.now() - from);
    const after = await fleet.get<Stock>('/stock/book');
    const counts = new Map<string, number>();
    for (const { servedBy } of placed) counts.set(servedBy, (counts.get(servedBy) ?? 0) + 1);
    narrator.say(`with @WithLock('stock:{0.item}'): ${orders} orders in ${ms} ms`);
    narrator.table(
      ['instance', 'orders'],
      [...counts].sort(([a], [b]) => a.localeCompare(b)),
    );
    narrator.check('both processes placed orders', counts.size === 2);
    narrator.check(
      `the stock is exact: ${before.left} - ${orders} = ${after.left}`,
      before.left - after.left === orders,
    );

    const inOrder = placed.sort((a, b) => b.left - a.left).map(({ fencingToken }) => BigInt(fencingToken));
    narrator.check(
      `fencing tokens rise from sale to sale: ${inOrder[0]} ... ${inOrder.at(-1)}`,
      inOrder.every((token, index) => index === 0 || token > (inOrder[index - 1] ?? 0n)),
    );
    const late = await warehouse.take('book', 1, inOrder[0] ?? 0n).catch((error: unknown) => error);
    narrator.check(
      `a writer that comes late is refused: ${late instanceof Error ? late.message : 'it was not'}`,
      late instanceof StaleTokenError,
    );
  },
};
