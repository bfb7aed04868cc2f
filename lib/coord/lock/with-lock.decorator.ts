import 'reflect-metadata';
import { ValidationError } from '../../errors/validation.error.js';
import { LockHeldError } from '../../errors/lock-held.error.js';
import { checkOneOf } from '../../options/check.js';
import type { Duration } from '../../options/duration.js';
import { coordOf, injectCoord } from './injected-coord.js';
import { checkComputedKey, keyTemplate } from './key-template.js';
import { type LockOptions, resolveLockOptions } from './lock.options.js';
import { liveLocks, type LockService } from './lock.service.js';
import { wrapMethod } from './wrap-method.js';

export interface WithLockOptions extends Omit<LockOptions, 'signal' | 'timeout'> {
  /** How long a call waits for the lock when `ifHeld` is `'wait'`. @default '30s' */
  readonly timeout?: Duration;
  /**
   * What a call does when another holds the lock: `wait` for its turn, `skip` the method and give `undefined`, or
   * `throw` a `LockHeldError`. An etcd that is away is never "held": then the call rejects. @default 'wait'
   */
  readonly ifHeld?: 'wait' | 'skip' | 'throw';
}

/** What is known about a locked method, under {@link WITH_LOCK} in the metadata of the method. */
export interface LockedMethod {
  /** The template, or the name of the key function. */
  readonly key: string;
  readonly ifHeld: 'wait' | 'skip' | 'throw';
}

export const WITH_LOCK = Symbol.for('im-infra:with-lock');

/** What a method's arguments have to fit, for a key function that takes `A`: the method may have more of them. */
type Taking<A extends readonly unknown[]> = number extends A['length'] ? A : readonly [...A, ...unknown[]];

/**
 * For an asynchronous method whose arguments fit the key function; `never` refuses the others. To ask it of the method's own
 * type would refuse all of them for a function of `...args`: a method that takes a string does not take anything.
 */
type LockedBy<A extends readonly unknown[]> = <M extends (...args: never[]) => Promise<unknown>>(
  target: object,
  property: string | symbol,
  descriptor: Parameters<M> extends Taking<A> ? TypedPropertyDescriptor<M> : never,
) => void;

/**
 * Runs the method under a lock, and rejects with `LockLostError` if the lock was lost meanwhile. Without a live
 * coordination service the call rejects: the method never runs unlocked.
 *
 * The decorator at the top is the outermost: write it above `@Transactional()`, so that the lock outlives the commit.
 *
 * @example
 * \@WithLock('order:{0.id}', { timeout: '5s' })
 * async place(order: Order) { … currentLock()!.fencingToken … }
 *
 * @param key a template, checked here, or a function of the method's arguments
 */
export function WithLock(key: string, options?: WithLockOptions): LockedBy<[]>;
export function WithLock<A extends readonly unknown[]>(
  key: (...args: A) => string | readonly string[],
  options?: WithLockOptions,
): LockedBy<A>;
export function WithLock(
  key: string | ((...args: never[]) => string | readonly string[]),
  withOptions: WithLockOptions = {},
): LockedBy<[]> {
  resolveLockOptions(withOptions);
  const { ifHeld = 'wait', ...options } = withOptions;
  checkOneOf('ifHeld', ifHeld, ['wait', 'skip', 'throw']);
  return (target, property, descriptor) => {
    const method = descriptor?.value as ((...args: never[]) => Promise<unknown>) | undefined;
    if (typeof method !== 'function') {
      throw new ValidationError('@WithLock', `a method, which ${String(property)} is not`);
    }
    const what = `${className(target)}.${String(property)} under @WithLock`;
    const keysOf = keyFunction(key, target, property, method);
    const run = async (self: unknown, args: unknown[]): Promise<unknown> => {
      const locks = locksOf(self, what);
      const keys = keysOf(args);
      const body = (): Promise<unknown> => method.apply(self, args as never[]);
      if (ifHeld === 'wait') return locks.using(keys, options, body);
      const tried = await locks.tryUsing(keys, options, body);
      if (tried.held) return tried.result;
      if (ifHeld === 'skip') return undefined;
      throw new LockHeldError(`${what} did not run: the lock "${keys.join(', ')}" is held by another`);
    };
    const wrapper = wrapMethod(method, run);
    const known: LockedMethod = { key: typeof key === 'string' ? key : key.name || 'a function', ifHeld };
    Reflect.defineMetadata(WITH_LOCK, known, wrapper);
    injectCoord(target);
    descriptor.value = wrapper as unknown as NonNullable<typeof descriptor.value>;
  };
}

function keyFunction(
  key: string | ((...args: never[]) => string | readonly string[]),
  target: object,
  property: string | symbol,
  method: (...args: never[]) => unknown,
): (args: readonly unknown[]) => readonly string[] {
  if (typeof key === 'function') return (args) => checkComputedKey(key(...(args as never[])));
  if (typeof key !== 'string' || key === '') {
    throw new ValidationError(
      'key',
      "a template such as 'order:{0.id}', or a function of the arguments",
      key,
    );
  }
  const types: unknown = Reflect.getMetadata('design:paramtypes', target, property);
  // With a rest parameter or defaults the two differ, and the number of arguments is open.
  const count = Array.isArray(types) && types.length === method.length ? types.length : undefined;
  const make = keyTemplate(key, count);
  return (args) => checkComputedKey(make(args));
}

/** The lock service of the application of `instance`. @throws CoordUnavailableError if there is none: fails closed */
function locksOf(instance: unknown, what: string): LockService {
  const coord = coordOf(instance) as { readonly lock: LockService } | undefined;
  return coord ? coord.lock : liveLocks.only(what);
}

function className(target: object): string {
  return typeof target === 'function' ? target.name : target.constructor.name;
}
