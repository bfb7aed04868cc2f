import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { setTimeout as passed } from 'node:timers/promises';

interface Shelf {
  readonly left: number;
  /** The highest fencing token that has written here. */
  readonly lastToken: string;
}

export class StaleTokenError extends Error {}

/**
 * A store outside etcd that every order service writes to: here a file, in life a database or a machine on a wall.
 *
 * It reads, thinks and writes, so two at a time lose an order. And it keeps the highest fencing token it has seen: a
 * writer that was paused while its lock went to another comes back with a lower one, and is refused.
 */
export class Warehouse {
  constructor(private readonly file: string) {}

  static async open(file: string, stock: Readonly<Record<string, number>>): Promise<Warehouse> {
    const shelves = Object.entries(stock).map(([item, left]) => [item, { left, lastToken: '0' }]);
    await writeFile(file, JSON.stringify(Object.fromEntries(shelves)));
    return new Warehouse(file);
  }

  async look(item: string): Promise<Shelf> {
    const shelf = (await this.#read())[item];
    if (shelf === undefined) throw new Error(`the warehouse has no ${item}`);
    return shelf;
  }

  /** @param token of the lock that protects the item; `0n` for none: then nothing is checked. */
  async take(item: string, quantity: number, token: bigint): Promise<number> {
    const { left, lastToken } = await this.look(item);
    if (token !== 0n && token < BigInt(lastToken)) {
      throw new StaleTokenError(`token ${token} is older than ${lastToken}, which has written since`);
    }
    if (quantity > left) throw new Error(`only ${left} of ${item} left`);
    await passed(1);
    const shelf: Shelf = { left: left - quantity, lastToken: token === 0n ? lastToken : String(token) };
    await this.#write({ ...(await this.#read()), [item]: shelf });
    return shelf.left;
  }

  async #read(): Promise<Record<string, Shelf>> {
    return JSON.parse(await readFile(this.file, 'utf8')) as Record<string, Shelf>;
  }

  /** By renaming: a reader sees the old content or the new, never half of it. */
  async #write(shelves: Record<string, Shelf>): Promise<void> {
    const next = `${this.file}.${randomUUID()}`;
    await writeFile(next, JSON.stringify(shelves));
    await rename(next, this.file);
  }
}
