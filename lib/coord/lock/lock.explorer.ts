import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { decoratedMethods } from './decorated-methods.js';
import { type LockedMethod, WITH_LOCK } from './with-lock.decorator.js';

/** Lists at start, at debug, which methods run under which lock. It only looks: the decorator alone does the locking. */
@Injectable()
export class LockExplorer implements OnApplicationBootstrap {
  readonly #modules: ModulesContainer;
  readonly #logger = new Logger('im-infra.lock');

  constructor(@Inject(ModulesContainer) modules: ModulesContainer) {
    this.#modules = modules;
  }

  onApplicationBootstrap(): void {
    for (const { className, method, metadata } of decoratedMethods<LockedMethod>(this.#modules, WITH_LOCK)) {
      const { key, ifHeld } = metadata;
      this.#logger.debug(`${className}.${method} runs under the lock "${key}", if held: ${ifHeld}`);
    }
  }
}
