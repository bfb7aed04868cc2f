import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
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
    const classes = new Set<object>();
    for (const { providers, controllers } of this.#modules.values()) {
      for (const { metatype } of [...providers.values(), ...controllers.values()]) {
        if (typeof metatype === 'function' && metatype.prototype) classes.add(metatype.prototype as object);
      }
    }
    for (const prototype of classes) this.#list(prototype);
  }

  #list(prototype: object): void {
    const names = new Set<string>();
    for (
      let each = prototype;
      each !== Object.prototype && each;
      each = Object.getPrototypeOf(each) as object
    ) {
      for (const name of Object.getOwnPropertyNames(each)) {
        if (names.has(name)) continue;
        names.add(name);
        const method: unknown = Object.getOwnPropertyDescriptor(each, name)?.value;
        if (typeof method !== 'function') continue;
        const locked = Reflect.getMetadata(WITH_LOCK, method) as LockedMethod | undefined;
        if (!locked) continue;
        this.#logger.debug(
          `${prototype.constructor.name}.${name} runs under the lock "${locked.key}", if held: ${locked.ifHeld}`,
        );
      }
    }
  }
}
