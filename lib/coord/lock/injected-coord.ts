import { Inject, Optional } from '@nestjs/common';
import { COORD_SERVICE } from '../etcd/tokens.js';

/** Under this property Nest injects the coordination service of the application that an instance belongs to. */
const COORD = Symbol.for('im-infra:injected-coord');

/** One map per process, shared by the ESM and the CommonJS build. */
const KEY = Symbol.for('im-infra:injected-coord-of');

function injected(): WeakMap<object, object> {
  const home = globalThis as { [KEY]?: WeakMap<object, object> };
  return (home[KEY] ??= new WeakMap());
}

/**
 * Has Nest inject the coordination service into the instances of a class, under a symbol of ours: right for each
 * application, for request scope, and inherited. Optional, because an instance may live outside of Nest.
 *
 * @param prototype of the class; a constructor, for static methods, cannot be injected into and is left alone
 */
export function injectCoord(prototype: object): void {
  if (typeof prototype === 'function' || COORD in prototype) return;
  // An accessor, so that instances stay free of a property that their owners would meet in spreads and comparisons.
  Object.defineProperty(prototype, COORD, {
    configurable: true,
    get(this: object) {
      return injected().get(this);
    },
    set(this: object, coord: object | undefined) {
      if (coord) injected().set(this, coord);
    },
  });
  Inject(COORD_SERVICE)(prototype, COORD);
  Optional()(prototype, COORD);
}

/** The coordination service of the application of `instance`; `undefined` if Nest did not make it. */
export function coordOf(instance: unknown): object | undefined {
  return typeof instance === 'object' && instance !== null ? injected().get(instance) : undefined;
}
