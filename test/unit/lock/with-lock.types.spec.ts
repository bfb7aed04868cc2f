import { describe, expect, it } from 'vitest';
import { WithLock } from '../../../lib/coord/lock/with-lock.decorator.js';

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

  @WithLock('order:{0}')
  async template(id: string, count?: number): Promise<string> {
    return Promise.resolve(id.repeat(count ?? 1));
  }

  // @ts-expect-error the key function takes a string, the method a number
  @WithLock((id: string) => id)
  async wrongArgument(id: number): Promise<number> {
    return Promise.resolve(id);
  }

  // @ts-expect-error a locked method is asynchronous
  @WithLock((id: string) => id)
  notAsync(id: string): string {
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
