import { randomBytes } from 'node:crypto';
import { ClosedError } from '../../errors/closed.error.js';
import { type Duration, parseDuration } from '../../options/duration.js';
import { type Clock, systemClock } from '../etcd/clock.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import { waitAtMost } from '../etcd/hold-process.js';
import { onAbort } from '../etcd/on-abort.js';
import type { RoomContext } from '../etcd/room-context.js';
import { checkInstance } from './instance-check.js';
import { instanceKey } from './instance-key.js';
import { Registration } from './registration.js';
import type { ServiceDirectories } from './service-directories.js';
import type { ServiceInstance } from './service-instance.js';
import { DRAIN_DELAY } from './take-leave.js';

export interface RegisterInstanceOptions {
  /** The lease's time to live: how long a crashed process stays listed. At least 2 s. @default coord.sessionTtl, '15s' */
  readonly ttl?: Duration;
  /** How long the instance stays reachable after its drain mark when this process is drained. @default '500ms' */
  readonly drainDelay?: Duration;
  readonly signal?: AbortSignal;
}

/** etcd grants no lease under 2 s. */
const SHORTEST_TTL = 2_000;

/** The longest that {@link Registrar.close} waits for etcd, in ms; what is left goes with the session's lease. */
const CLOSE_BUDGET = 1_000;

/** What this process publishes of itself. */
export class Registrar {
  readonly #context: RoomContext;
  readonly #directories: ServiceDirectories;
  readonly #clock: Clock;
  /** Also those that have ended, while etcd still has a key of theirs. */
  readonly #registrations = new Map<string, Registration>();
  readonly #starting = new Map<string, Promise<void>>();
  #closed = false;

  constructor(context: RoomContext, directories: ServiceDirectories, clock: Clock = systemClock) {
    this.#context = context;
    this.#directories = directories;
    this.#clock = clock;
  }

  /**
   * Publishes an instance until it is deregistered or this registrar closes. An id that this process has registered for
   * the service already is updated in place and keeps its registration.
   */
  async register(
    instance: Omit<ServiceInstance, 'id'> & { readonly id?: string },
    options: RegisterInstanceOptions = {},
  ): Promise<Registration> {
    this.#assertOpen();
    const id = instance?.id ?? `${instance?.name}-${randomBytes(8).toString('hex')}`;
    const checked = checkInstance({ ...instance, id });
    const ttl =
      options.ttl === undefined
        ? this.#context.sessionTtl
        : parseDuration('ttl', options.ttl, { min: SHORTEST_TTL });
    const drainDelay = parseDuration('drainDelay', options.drainDelay ?? DRAIN_DELAY);
    const call = options.signal && { signal: options.signal };
    const key = instanceKey(this.#context.prefixes.services, checked.name, checked.id);
    // One that just starts may fail: then there is nothing to update.
    for (let starting; (starting = this.#starting.get(key));) {
      options.signal?.throwIfAborted();
      await settledOrAborted(starting, options.signal);
    }
    const existing = this.#registrations.get(key);
    if (existing !== undefined && existing.state !== 'deregistered') {
      await existing.replace(checked, call);
      return existing;
    }
    this.#assertOpen();
    existing?.supersede();
    const registration = this.#create(checked, key, ttl, drainDelay);
    const starting = registration.start(call);
    this.#starting.set(key, starting);
    try {
      await starting;
    } finally {
      this.#starting.delete(key);
    }
    this.#context.logger.info('instance registered', {
      key,
      address: `${checked.address}:${checked.port}`,
      revision: registration.revision,
    });
    return registration;
  }

  /** Ends every registration of this process with this id. Resolves when no key of ours carries it, also if none did. */
  async deregister(id: string, options?: CallOptions): Promise<void> {
    const ours = [...this.#registrations.values()].filter(({ instance }) => instance.id === id);
    await Promise.all(ours.map((registration) => registration.deregister(options)));
  }

  /** Marks everything as draining, lets that spread, deletes it. Bounded, never rejects. */
  async drain(): Promise<void> {
    await Promise.all([...this.#registrations.values()].map((each) => each.leave()));
  }

  /** Deregisters everything, within a second: what etcd does not confirm by then goes with the session's lease. */
  async close(): Promise<void> {
    this.#closed = true;
    const budget = { timeout: CLOSE_BUDGET };
    const all = [...this.#registrations.values()].map((each) => each.deregister(budget));
    await waitAtMost(CLOSE_BUDGET, Promise.allSettled(all));
  }

  #assertOpen(): void {
    if (this.#closed) throw new ClosedError('the registry is closed: nothing can be registered any more');
  }

  #create(instance: ServiceInstance, key: string, ttl: number, drainDelay: number): Registration {
    const { client, logger } = this.#context;
    const registration: Registration = new Registration(instance, {
      client,
      logger,
      key,
      clock: this.#clock,
      keeper: client.sessions(ttl),
      handle: this.#directories.open(instance.name),
      drainDelay,
      onGone: () => {
        if (this.#registrations.get(key) === registration) this.#registrations.delete(key);
      },
    });
    this.#registrations.set(key, registration);
    return registration;
  }
}

function settledOrAborted(work: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const stop = onAbort(signal, resolve);
    const settled = (): void => (stop(), resolve());
    work.then(settled, settled);
  });
}
