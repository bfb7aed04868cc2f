import { BehaviorSubject, type Observable } from 'rxjs';
import { ClosedError } from '../../errors/closed.error.js';
import { onAbort } from '../etcd/on-abort.js';
import { shownSafely } from '../etcd/shown-safely.js';
import type { Clock } from '../etcd/clock.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import type { SessionKeeper } from '../etcd/session-keeper.js';
import type { Session } from '../etcd/session.js';
import { checkMetadata } from './instance-check.js';
import { draining } from './instance-traits.js';
import { KeyRemoval } from './key-removal.js';
import { KeyRepair } from './key-repair.js';
import { PublishedKey } from './published-key.js';
import type { DirectoryHandle } from './service-directories.js';
import type { ServiceInstance } from './service-instance.js';
import { takeLeave } from './take-leave.js';

/** `lost`: the key is gone against our will, or can no longer be proven to be there; it is being put back. */
export type RegistrationState = 'registered' | 'lost' | 'deregistered';

/** A key that was deleted is back within this, in ms, however often that happens: nobody claims it meanwhile. */
const DELETED_PAUSE = 1_000;

export interface RegistrationDeps {
  readonly client: EtcdClient;
  readonly keeper: SessionKeeper;
  readonly logger: CoordLogger;
  readonly clock: Clock;
  readonly key: string;
  /** The directory of the service: through it the registration sees what others do to its key. */
  readonly handle: DirectoryHandle;
  /** How long a leaving instance stays reachable after its drain mark, in ms. */
  readonly drainDelay: number;
  /** Called once, when nothing of the registration is left in etcd that it could remove. */
  readonly onGone: () => void;
}

/**
 * One published instance. The key hangs on the shared session and is put back by itself: when the lease was lost, when
 * etcd was wiped or restored, and when somebody deleted or altered it. The first repair is immediate, further ones wait
 * (up to 1 s for a key that was deleted, up to 5 s for one that was altered), so that two processes that claim one id do
 * not flood etcd.
 */
export class Registration implements AsyncDisposable {
  /** Emits the state now and each change; completes after `deregistered`; never errors. */
  readonly state$: Observable<RegistrationState>;
  readonly #deps: RegistrationDeps;
  readonly #state = new BehaviorSubject<RegistrationState>('lost');
  readonly #published: PublishedKey;
  readonly #repair: KeyRepair;
  readonly #removal: KeyRemoval;
  readonly #unsubscribe: (() => void)[] = [];
  #forgetSession: () => void = () => undefined;
  #begun = false;
  #ended = false;
  #leaving: Promise<void> | undefined;

  constructor(instance: ServiceInstance, deps: RegistrationDeps) {
    this.#deps = deps;
    this.#published = new PublishedKey(instance, deps);
    this.#repair = new KeyRepair(deps.clock, (reason) => this.#putBack(reason));
    this.#removal = new KeyRemoval(this.#published, deps);
    this.state$ = shownSafely(this.#state, (error) =>
      deps.logger.error('a subscriber to the state of a registration threw', { key: deps.key, err: error }),
    );
  }

  get instance(): ServiceInstance {
    return this.#published.instance;
  }

  get state(): RegistrationState {
    return this.#state.value;
  }

  /** The revision of the last write; a reader that has seen it has seen this registration. */
  get revision(): bigint {
    return this.#published.revision;
  }

  /**
   * Publishes the key for the first time and keeps it from then on. A failure leaves nothing behind: a write that may have
   * run is undone, in the background if need be. Rejects with `ClosedError` if it is deregistered meanwhile.
   */
  async start(options: CallOptions = {}): Promise<void> {
    const { keeper, handle, key } = this.#deps;
    this.#unsubscribe.push(
      handle.directory.onKey(key, (sighting) => {
        this.#published.see(sighting);
        this.#check();
      }),
    );
    try {
      const session = await keeper.acquire(options);
      this.#assertOpen();
      this.#published.moveTo(session);
      await this.#put(session, options);
      this.#assertOpen();
    } catch (error) {
      this.#end();
      this.#removal.begin();
      throw error;
    }
    this.#begun = true;
    this.#unsubscribe.push(keeper.onSession((session) => this.#onSession(session)));
    await this.#published.shown();
  }

  /** Replaces the metadata in place: clients keep their connections. */
  async update(metadata: Readonly<Record<string, string>>, options: CallOptions = {}): Promise<void> {
    await this.replace({ ...this.instance, metadata: checkMetadata('metadata', metadata) }, options);
  }

  /**
   * Publishes `instance`, which has the same name and id, in place of what is published now. Rejects when etcd does not
   * confirm it within the budget, and goes on trying: what was asked for last is what will be published.
   */
  async replace(instance: ServiceInstance, options: CallOptions = {}): Promise<void> {
    this.#assertOpen();
    options.signal?.throwIfAborted();
    // Who is about to leave is chosen no more, whatever is said of it besides.
    this.#published.change(this.#leaving ? draining(instance) : instance);
    try {
      const { session } = this.#published;
      const live = session?.isAlive() ? session : await this.#deps.keeper.acquire(options);
      this.#assertOpen();
      await this.#put(live, options);
    } catch (error) {
      if (this.#begun) void this.#repair.mend('an update was not confirmed');
      throw error;
    }
    await this.#published.shown();
  }

  /** Sets the drain mark: clients stop choosing this instance, calls already running go on. The key stays. */
  async drain(options: CallOptions = {}): Promise<void> {
    if (this.#ended || !this.#begun) return;
    await this.replace(draining(this.instance), options);
  }

  /** Drain mark, `drainDelay`, delete: see {@link takeLeave}. Bounded, idempotent, never rejects. */
  leave(): Promise<void> {
    const { logger, drainDelay } = this.#deps;
    this.#leaving ??= takeLeave(this, this.#begun ? drainDelay : 0, { logger });
    return this.#leaving;
  }

  /**
   * Marks the instance as leaving, so that clients believe the loss at once, and deletes the key. Idempotent. If etcd does
   * not answer within the budget it rejects with `CoordUnavailableError`, and goes on trying in the background.
   */
  deregister(options: CallOptions = {}): Promise<void> {
    this.#end();
    return this.#removal.run(options);
  }

  /** Another registration of this process takes the key over: what is left of it is not removed any more. */
  supersede(): void {
    this.#removal.supersede();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.deregister();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#repair.stop();
    this.#forgetSession();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#deps.handle.close();
    this.#state.next('deregistered');
    this.#state.complete();
  }

  /** Returns when the key hangs on the session: until then its lease before is kept. */
  async #onSession(session: Session): Promise<void> {
    if (session.signal.aborted) return;
    this.#forgetSession();
    this.#forgetSession = onAbort(session.signal, () => this.#onSessionLost(session));
    if (session === this.#published.session) return;
    this.#published.moveTo(session);
    await this.#repair.mend('the session was replaced');
  }

  #onSessionLost(session: Session): void {
    if (session === this.#published.session && !this.#ended) this.#become('lost');
  }

  #check(): void {
    if (this.#ended) return;
    const damage = this.#published.inspect();
    if (damage === 'deleted') {
      this.#become('lost');
      void this.#repair.mend('its key was deleted', DELETED_PAUSE);
    } else if (damage !== undefined) void this.#repair.mend(`its key was ${damage}`);
  }

  /** Returns whether there is nothing more to do now. */
  async #putBack(reason: string): Promise<boolean> {
    const { session } = this.#published;
    // Without a live session there is nothing to hang the key on: the next session calls again.
    if (session === undefined || !session.isAlive()) return true;
    try {
      await this.#put(session, {});
    } catch {
      return !session.isAlive();
    }
    const { logger, key } = this.#deps;
    logger.info('registration put back', { key, reason, lease: session.leaseId, revision: this.revision });
    return true;
  }

  #assertOpen(): void {
    if (this.#ended) throw new ClosedError(`${this.#deps.key} is deregistered`);
  }

  #become(state: RegistrationState): void {
    if (this.#state.value !== state) this.#state.next(state);
  }

  async #put(session: Session, options: CallOptions): Promise<void> {
    await this.#published.put(session, options);
    if (!this.#ended && session.isAlive()) this.#become('registered');
    this.#check();
  }
}
