import { describe, expect, it } from 'vitest';
import { WithLock } from '../../../lib/coord/lock/with-lock.decorator.js';

interface Order {
  readonly id: string;
  readonly count: number;
}

/** Compiled by `npm run typecheck`: each expected error is one there, and an error here if it were none. */
class Orders {
  @WithLock((id: string) => id)
  async exact(id: string): Promise<string> {
    return Promise.resolve(id);
  }

  @WithLock((id: string) => id)
  async more(id: string, count: number): Promise<string> {
    return Promise.resolve(id.repeat(count));
  }

  @WithLock((order: { id: string }) => order.id)
  async wider(order: Order, count: number): Promise<string> {
    return Promise.resolve(order.id.repeat(count));
  }

  @WithLock(() => 'all')
  async none(order: Order): Promise<string> {
    return Promise.resolve(order.id);
  }

  @WithLock((...args) => String(args[0]))
  async anyOfThem(id: string, count: number): Promise<string> {
    return Promise.resolve(id.repeat(count));
  }

  @WithLock((...args) => args.map(String))
  async anyOfOne(order: Order): Promise<string> {
    return Promise.resolve(order.id);
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- as users write it
  @WithLock((...args: any[]) => String(args[0]))
  async untyped(order: Order, count: number): Promise<string> {
    return Promise.resolve(order.id.repeat(count));
  }

  @WithLock((...ids: string[]) => ids)
  async rest(...ids: string[]): Promise<string> {
    return Promise.resolve(ids.join());
  }

  @WithLock((first) => String(first))
  async notAnnotated(id: string, count: number): Promise<string> {
    return Promise.resolve(id.repeat(count));
  }

  @WithLock((id?: string) => id ?? 'all')
  async optional(id?: string): Promise<string> {
    return Promise.resolve(id ?? '');
  }

  @WithLock('order:{0}')
  async template(id: string, count?: number): Promise<string> {
    return Promise.resolve(id.repeat(count ?? 1));
  }

  @WithLock('order:{0}')
  async templateOfMany(id?: string, ...counts: number[]): Promise<string> {
    return Promise.resolve(String(id) + counts.length);
  }

  @WithLock('order')
  async generic<T>(value: T): Promise<T> {
    return Promise.resolve(value);
  }

  @WithLock('order')
  promising(): Promise<void> {
    return Promise.resolve();
  }

  @WithLock('order')
  static async ofTheClass(id: string): Promise<string> {
    return Promise.resolve(id);
  }

  // @ts-expect-error the key function takes a string, the method a number
  @WithLock((id: string) => id)
  async wrongArgument(id: number): Promise<number> {
    return Promise.resolve(id);
  }

  // @ts-expect-error the key function takes strings, the method a number too
  @WithLock((...ids: string[]) => ids)
  async wrongRest(id: string, count: number): Promise<string> {
    return Promise.resolve(id.repeat(count));
  }

  // @ts-expect-error the key function takes an argument that the method does not have
  @WithLock((id: string, count: number) => `${id}:${count}`)
  async tooFew(id: string): Promise<string> {
    return Promise.resolve(id);
  }

  // @ts-expect-error the method may be called without what the key function needs
  @WithLock((id: string) => id)
  async mayBeMissing(id?: string): Promise<string> {
    return Promise.resolve(id ?? '');
  }

  // @ts-expect-error a key is a string, or several
  @WithLock((id: string) => id.length)
  async wrongKey(id: string): Promise<string> {
    return Promise.resolve(id);
  }

  // @ts-expect-error a locked method is asynchronous
  @WithLock((id: string) => id)
  notAsync(id: string): string {
    return id;
  }

  // @ts-expect-error a locked method is asynchronous, with any arguments too
  @WithLock((...args) => String(args[0]))
  notAsyncOfAny(id: string): string {
    return id;
  }

  // @ts-expect-error a locked method is asynchronous, with a template too
  @WithLock('order')
  notAsyncEither(): void {}
}

describe('the types of @WithLock', () => {
  it('let through what fits, and nothing else', () => {
    expect(Object.getOwnPropertyNames(Orders.prototype)).toContain('wrongArgument');
  });
});
