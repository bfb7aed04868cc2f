import { Inject, Optional } from '@nestjs/common';
import { COORD_SERVICE } from '../etcd/tokens.js';
import { onlyLiveLocks } from './live-locks.js';
import type { LockService } from './lock.service.js';

/** Under this property Nest injects the coordination service of the application that an instance belongs to. */
const COORD = Symbol.for('im-infra:injected-coord');

interface CoordLike {
  readonly lock: LockService;
}

const injected = new WeakMap<object, CoordLike>();

/**
 * Has Nest inject the coordination service into the instances of a class, under a symbol of ours: right for each
 * application, for request scope, and inherited. Optional, because an instance may live outside of Nest.
 *
 * @param prototype of the class; a constructor, for static methods, cannot be injected into and is left alone
 */
export function injectLocks(prototype: object): void {
  if (typeof prototype === 'function' || COORD in prototype) return;
  // An accessor, so that instances stay free of a property that their owners would meet in spreads and comparisons.
  Object.defineProperty(prototype, COORD, {
    configurable: true,
    get(this: object) {
      return injected.get(this);
    },
    set(this: object, coord: CoordLike | undefined) {
      if (coord) injected.set(this, coord);
    },
  });
  Inject(COORD_SERVICE)(prototype, COORD);
  Optional()(prototype, COORD);
}

/** The lock service of the application of `instance`. @throws CoordUnavailableError if there is none: fails closed */
export function locksOf(instance: unknown, what: string): LockService {
  const coord = typeof instance === 'object' && instance !== null ? injected.get(instance) : undefined;
  return coord ? coord.lock : onlyLiveLocks(what);
}
