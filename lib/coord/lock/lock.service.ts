import { LockHeldError } from '../../errors/lock-held.error.js';
import { LockTimeoutError } from '../../errors/lock-timeout.error.js';
import { type Clock, systemClock } from '../etcd/clock.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { RoomContext } from '../etcd/room-context.js';
import { claim, type ClaimOptions, resolveClaimOptions } from './claim.js';
import { HeldLock } from './held-lock.js';
import { hold, type WorkedLock } from './hold.js';
import { LiveServices } from './live-services.js';
import type { Lock } from './lock.js';
import { apart, currentHoldings, type Holding, runUnder } from './lock-context.js';
import type { LockDoor, ReadWriteLock } from './lock-door.js';
import { checkLockKey } from './lock-key.js';
import { holderWriter } from './lock-holder.js';
import { type LockTarget, lockTarget, readTarget, semaphoreTarget } from './lock-target.js';
import {
  DEFAULT_TIMEOUT,
  type LockOptions,
  type ResolvedLockOptions,
  resolveLockOptions,
} from './lock.options.js';
import type { Place } from './place.js';
import { QueueLayout } from './queue-layout.js';
import { Queues } from './queues.js';
import { ReentrantLock } from './reentrant-lock.js';

/** How long a single try waits for etcd's answer, in ms. */
const TRY = 5_000;
/** How long a renewal of a lease may take, timer and all, in ms. */
const RENEWAL = 1_000;
/** How long {@link LockService.close} waits for etcd, in ms. */
const CLOSE = 2_000;

/** The lock services of this process, for decorated methods of objects that Nest did not make. */
export const liveLocks = new LiveServices<LockService>('locks');

/**
 * Locks on etcd: fair, fenced, honest about their loss. A free lock costs two calls, a failed try one; all locks of one
 * TTL share one lease.
 *
 * ```ts
 * await using lock = await locks.acquire('order:42', { timeout: '5s' });
 * await pay(order, { fence: lock.fencingToken, signal: lock.signal });
 * ```
 */
export class LockService {
  readonly #client: EtcdClient;
  readonly #layout: QueueLayout;
  readonly #queues: Queues;
  readonly #clock: Clock;
  readonly #holder: () => string;
  /** One for all: ten thousand locks may be held. */
  readonly #leave = (place: Place): Promise<boolean | undefined> => apart(() => this.#queues.leave(place));

  constructor(context: Pick<RoomContext, 'client' | 'service' | 'logger' | 'prefixes'>, clock = systemClock) {
    this.#client = context.client;
    this.#clock = clock;
    this.#layout = new QueueLayout(context.prefixes.locks);
    this.#queues = new Queues({ client: context.client, logger: context.logger, clock }, this.#layout);
    this.#holder = holderWriter(context.service);
    liveLocks.add(this);
  }

  /**
   * Waits for the lock: first come, first served over all tasks of all processes. Several keys are taken together, in
   * one transaction: there is no deadlock, whatever the order of the keys.
   *
   * The lock belongs to whoever has the handle, not to the running task: asking for it again before it is released waits
   * for oneself, until `timeout`. Only what runs inside {@link using} or `@WithLock` is known to hold it already.
   *
   * @throws LockTimeoutError after `timeout`; nothing is left in the queue
   * @throws CoordUnavailableError if etcd could not even be asked
   * @throws LockHeldError inside `using` or `@WithLock` of the same lock, without `reentrant`
   */
  async acquire(key: string | readonly string[], options?: LockOptions): Promise<Lock> {
    return this.#acquire(lockTarget(this.#layout, key), resolveLockOptions(options));
  }

  /** The lock if it is free now; `null`, and nothing written, if another holds it. Several keys: all or none. */
  async tryAcquire(key: string | readonly string[], options?: LockOptions): Promise<Lock | null> {
    return this.#try(lockTarget(this.#layout, key), resolveLockOptions(options));
  }

  /**
   * Acquires, runs `fn`, releases. Resolves with what `fn` gave only if the lock was held to the end, else rejects with
   * `LockLostError`; the error of `fn` goes first, with the loss as its cause.
   */
  async using<T>(
    key: string | readonly string[],
    options: LockOptions,
    fn: (lock: Lock) => Promise<T> | T,
  ): Promise<T> {
    return this.#using(lockTarget(this.#layout, key), resolveLockOptions(options), fn);
  }

  /** The same with a single try: `held: false`, and `fn` does not run, if another holds the lock. */
  async tryUsing<T>(
    key: string | readonly string[],
    options: LockOptions,
    fn: (lock: Lock) => Promise<T> | T,
  ): Promise<{ readonly held: true; readonly result: T } | { readonly held: false }> {
    const target = lockTarget(this.#layout, key);
    const lock = await this.#try(target, resolveLockOptions(options));
    return lock ? { held: true, result: await this.#run(lock, target, fn) } : { held: false };
  }

  /** At most `permits` tasks at once, over all processes, first come first served. Everybody must name the same number. */
  semaphore(key: string, permits: number): LockDoor {
    return this.#door(semaphoreTarget(this.#layout, key, permits));
  }

  /** Readers share the lock, writers exclude everybody. */
  readWrite(key: string): ReadWriteLock {
    return {
      read: this.#door(readTarget(this.#layout, key)),
      write: this.#door(lockTarget(this.#layout, key)),
    };
  }

  /**
   * Once per key over all processes: `true` for the one that claims it first, `false` for the rest, until `retain` is
   * over. For jobs that every process starts at the same time; the key names the tick: `report/2026-11-22T00:00Z`.
   *
   * @throws CoordUnavailableError if etcd could not be asked: then nobody knows, and the job should not run
   * @throws OutcomeUnknownError if the answer was lost and could not be read either: the same, and the key may be claimed
   */
  async claim(key: string, options?: ClaimOptions): Promise<boolean> {
    const claimed = checkLockKey('key', key);
    return claim(this.#client, this.#layout.claim(claimed), this.#holder(), resolveClaimOptions(options));
  }

  /**
   * Every wait rejects with `ClosedError`, and who holds a lock is told by its signal. What runs inside {@link using} or
   * `@WithLock` has 0.3 s to end before its lock goes to another. Idempotent.
   */
  end(): Promise<void> {
    liveLocks.delete(this);
    return this.#queues.end();
  }

  /** {@link end}, then every lock is released; waits for etcd at most 2 s. Idempotent. */
  close(): Promise<void> {
    liveLocks.delete(this);
    return this.#queues.close(CLOSE);
  }

  #door(target: LockTarget): LockDoor {
    return {
      acquire: async (options) => this.#acquire(target, resolveLockOptions(options)),
      tryAcquire: async (options) => this.#try(target, resolveLockOptions(options)),
      using: async (options, fn) => this.#using(target, resolveLockOptions(options), fn),
    };
  }

  async #using<T>(
    target: LockTarget,
    options: ResolvedLockOptions,
    fn: (lock: Lock) => Promise<T> | T,
  ): Promise<T> {
    return this.#run(await this.#acquire(target, options), target, fn);
  }

  #run<T>(
    lock: WorkedLock,
    { queues, admission }: LockTarget,
    fn: (lock: Lock) => Promise<T> | T,
  ): Promise<T> {
    const holding = { lock, service: this, queues, shared: admission.shared };
    return hold(lock, () => runUnder(holding, async () => fn(lock)));
  }

  async #acquire(target: LockTarget, options: ResolvedLockOptions): Promise<WorkedLock> {
    const own = this.#heldByThisTask(target);
    if (own) return this.#again(own, target, options);
    const { timeout = DEFAULT_TIMEOUT } = options;
    if (timeout === 0) {
      const lock = await this.#try(target, options);
      if (!lock) throw new LockTimeoutError(`${target.label} is held by another`);
      return lock;
    }
    const deadline = this.#queues.deadline(timeout, options.signal);
    const request = this.#request(target, options);
    return this.#held(target, options, await apart(() => this.#queues.enter(request, deadline)));
  }

  async #try(target: LockTarget, options: ResolvedLockOptions): Promise<WorkedLock | null> {
    const own = this.#heldByThisTask(target);
    if (own) return options.reentrant ? this.#again(own, target, options) : null;
    const deadline = this.#queues.deadline(options.timeout || TRY, options.signal);
    const request = this.#request(target, options);
    const place = await apart(() => this.#queues.tryEnter(request, deadline));
    return place && this.#held(target, options, place);
  }

  #request({ queues, admission, label }: LockTarget, options: ResolvedLockOptions) {
    // A process that dies before it could release leaves the lock to its lease, which is renewed every third of its TTL:
    // two thirds are left at the worst moment, less what a renewal takes.
    const least = options.minHold === 0 ? 0 : 1.5 * options.minHold + RENEWAL;
    const ttl = Math.max(options.ttl, Math.ceil(least / 1_000) * 1_000);
    return { queues, admission, label, ttl, value: this.#holder() };
  }

  #held({ keys, label }: LockTarget, { maxHold, minHold }: ResolvedLockOptions, place: Place): HeldLock {
    return new HeldLock(place, {
      clock: this.#clock,
      keys,
      label,
      maxHold,
      minHold,
      leave: this.#leave,
    });
  }

  /** What the running task holds of this already; waiting for it would be waiting for oneself. */
  #heldByThisTask({ queues, admission }: LockTarget): Holding | undefined {
    if (admission.limit > 1) return undefined;
    for (const holding of currentHoldings()) {
      if (holding.service !== this || !queues.some((queue) => holding.queues.includes(queue))) continue;
      if (holding.lock.isHeld()) return holding;
    }
    return undefined;
  }

  #again(
    own: Holding,
    { queues, admission, label }: LockTarget,
    { reentrant }: ResolvedLockOptions,
  ): WorkedLock {
    const covers = queues.every((queue) => own.queues.includes(queue)) && (!own.shared || admission.shared);
    if (reentrant && covers) return new ReentrantLock(own.lock);
    throw new LockHeldError(
      `${label} would wait for itself: this very task holds the lock "${own.lock.key}"` +
        (covers ? '; pass { reentrant: true } to share it' : ''),
    );
  }
}
