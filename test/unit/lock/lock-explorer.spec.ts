import { Injectable, Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { LockExplorer } from '../../../lib/coord/lock/lock.explorer.js';
import { WithLock } from '../../../lib/coord/lock/with-lock.decorator.js';

class Base {
  @WithLock('base')
  inherited(): Promise<void> {
    return Promise.resolve();
  }
}

@Injectable()
class Orders extends Base {
  @WithLock('order:{0}', { ifHeld: 'skip' })
  place(_id: string): Promise<void> {
    return Promise.resolve();
  }

  unlocked(): void {}
}

describe('the list of locked methods', () => {
  afterEach(() => vi.restoreAllMocks());

  it('is logged at debug when the application starts, with inherited ones', async () => {
    const debug = vi.spyOn(Logger.prototype, 'debug').mockReturnValue(undefined);
    class App {}
    const app = await NestFactory.createApplicationContext(
      { module: App, providers: [Orders, LockExplorer] },
      { logger: false },
    );
    await app.close();
    expect(debug.mock.calls.flat()).toEqual([
      'Orders.place runs under the lock "order:{0}", if held: skip',
      'Orders.inherited runs under the lock "base", if held: wait',
    ]);
  });
});
