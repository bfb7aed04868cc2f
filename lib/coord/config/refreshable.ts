import type { FactoryProvider, OnApplicationShutdown } from '@nestjs/common';
import { type Observable, Subject } from 'rxjs';
import { ClosedError } from '../../errors/closed.error.js';
import { parseDuration, type Duration } from '../../options/duration.js';
import { Backoff } from '../etcd/backoff.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import { atMost } from './at-most.js';
import { ChangeRunner } from './change-runner.js';
import type { ConfigDefinition } from './config.definition.js';
import { SafeObservable } from '../etcd/safe-observable.js';
import { type LiveConfig, loggerOf } from './live-config.js';

export interface RefreshableOptions<T, R> {
  /** Ends what the factory made, once nobody uses it. @default nothing to do */
  readonly dispose?: (resource: R) => unknown;
  /**
   * The part of the configuration the resource depends on. Instances of classes are other ones at each change: select a
   * property of theirs. @default all of it
   */
  readonly select?: (value: T) => unknown;
  /**
   * How long a replaced resource may still be in use before it is disposed of anyway, and how long {@link Refreshable.close}
   * waits for a factory or a `dispose` that does not end. @default '30s'
   */
  readonly drainTimeout?: Duration;
}

/** How a failed build is tried again, in ms. */
const RETRY = { first: 1_000, most: 60_000 };

interface Generation<R> {
  readonly resource: R;
  users: number;
  readonly idle: Promise<void>;
  readonly release: () => void;
}

/**
 * A resource that is made from a configuration and made anew when that changes: the new one is built, takes the place of
 * the old one, which is disposed of when its last user is done. While a build fails, the old one stays, and the build is tried
 * again with growing pauses of up to a minute.
 * @example await pool.use((connections) => connections.query('select 1'));
 */
export class Refreshable<R> implements OnApplicationShutdown, AsyncDisposable {
  /** What a factory or a `dispose` threw; it is logged too. Nothing is lost by it: the resource before stays. */
  readonly failures$: Observable<unknown>;
  readonly #failures = new Subject<unknown>();
  readonly #dispose: (resource: R) => unknown;
  readonly #drainTimeout: number;
  readonly #name: string;
  readonly #logger: CoordLogger;
  readonly #draining = new Set<Promise<void>>();
  #generation: Generation<R>;
  #runner: { stop(limit: number): Promise<boolean> } | undefined;
  #builds = 1;
  #closed: Promise<void> | undefined;

  private constructor(
    first: R,
    live: { readonly name: string },
    { dispose, drainTimeout }: { readonly dispose: (resource: R) => unknown; readonly drainTimeout: number },
  ) {
    this.#name = live.name;
    this.#logger = loggerOf(live);
    this.#dispose = dispose;
    this.#drainTimeout = drainTimeout;
    this.#generation = begin(first);
    this.failures$ = new SafeObservable(
      () => undefined,
      (observer) => {
        const subscription = this.#failures.subscribe(observer);
        return () => subscription.unsubscribe();
      },
    );
  }

  /** Rejects with what the factory throws at the first build. */
  static async create<T, R>(
    factory: (value: T) => R | Promise<R>,
    live: LiveConfig<T>,
    {
      dispose = () => undefined,
      select = (value) => value,
      drainTimeout = '30s',
    }: RefreshableOptions<T, R> = {},
  ): Promise<Refreshable<R>> {
    const limit = parseDuration('drainTimeout', drainTimeout);
    const first = live.value;
    const refreshable = new Refreshable<R>(await factory(first), live, { dispose, drainTimeout: limit });
    refreshable.#runner = new ChangeRunner(first, live.changes$, {
      react: async (value) => refreshable.#replace(await factory(value)),
      select,
      report: (error) => refreshable.#failed('a resource cannot be made of its new configuration', error),
      retry: new Backoff(RETRY),
    });
    return refreshable;
  }

  /** The resource of this moment; it may be disposed of at the next change. Within {@link use} it is not. */
  get current(): R {
    return this.#generation.resource;
  }

  /** How many resources were built. */
  get builds(): number {
    return this.#builds;
  }

  /** Runs `work` with the resource, which is not disposed of before `work` is done. */
  async use<A>(work: (resource: R) => A | Promise<A>): Promise<A> {
    if (this.#closed) throw new ClosedError('the resource was closed');
    const generation = this.#generation;
    generation.users++;
    try {
      return await work(generation.resource);
    } finally {
      if (--generation.users === 0 && generation !== this.#generation) generation.release();
    }
  }

  /** Waits for the users, then disposes. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    if ((await this.#runner?.stop(this.#drainTimeout)) === false) this.#leave('a factory');
    const last = this.#generation;
    this.#generation = { ...last, users: 0 };
    this.#retire(last);
    await Promise.all(this.#draining);
    this.#failures.complete();
  }

  #replace(resource: R): void {
    // It took so long that nobody waits for it any more.
    if (this.#closed) return this.#retire(begin(resource));
    const old = this.#generation;
    this.#generation = begin(resource);
    this.#builds++;
    this.#retire(old);
  }

  #retire(old: Generation<R>): void {
    const draining = this.#drain(old).finally(() => this.#draining.delete(draining));
    this.#draining.add(draining);
  }

  async #drain(old: Generation<R>): Promise<void> {
    if (old.users > 0) {
      const timer = setTimeout(old.release, this.#drainTimeout);
      timer.unref();
      await old.idle;
      clearTimeout(timer);
    }
    try {
      const disposed = Promise.resolve(this.#dispose(old.resource));
      if (!(await atMost(disposed, { timeout: this.#drainTimeout }))) this.#leave('dispose');
    } catch (error) {
      this.#failed('a resource cannot be disposed of', error);
    }
  }

  #failed(what: string, error: unknown): void {
    this.#logger.error(what, { config: this.#name, err: error });
    this.#failures.next(error);
  }

  #leave(what: string): void {
    this.#logger.warn(`${what} of a resource does not end: it is left behind`, { config: this.#name });
  }
}

/**
 * A provider of a {@link Refreshable}. Inject it by its token: `@Inject(pool.provide) private readonly pool: Refreshable<Pool>`.
 * The definition must be among those of `ImInfraModule.forFeature`.
 */
export function refreshable<T, R>(
  factory: (value: T) => R | Promise<R>,
  definition: ConfigDefinition<T>,
  options: RefreshableOptions<T, R> = {},
): FactoryProvider<Refreshable<R>> {
  return {
    provide: Symbol(`refreshable ${definition.name}`),
    inject: [definition.token],
    useFactory: (live: LiveConfig<T>) => Refreshable.create(factory, live, options),
  };
}

function begin<R>(resource: R): Generation<R> {
  let release: () => void = () => undefined;
  const idle = new Promise<void>((resolve) => (release = resolve));
  return { resource, users: 0, idle, release };
}
