import { BehaviorSubject, type Observable } from 'rxjs';
import { ClosedError } from '../../errors/closed.error.js';
import { onAbort } from '../etcd/on-abort.js';
import { Backoff } from '../etcd/backoff.js';
import type { Clock } from '../etcd/clock.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import type { SessionKeeper } from '../etcd/session-keeper.js';
import type { Session } from '../etcd/session.js';
import { checkMetadata } from './instance-check.js';
import { draining } from './instance-traits.js';
import { PublishedKey } from './published-key.js';
import type { DirectoryHandle } from './service-directories.js';
import type { ServiceInstance } from './service-instance.js';

/** `lost`: the key is gone against our will, or can no longer be proven to be there; it is being put back. */
export type RegistrationState = 'registered' | 'lost' | 'deregistered';

/** How long a deregistration waits for a write that is under way, in ms. */
const LAST_WRITE_LIMIT = 500;

export interface RegistrationDeps {
  readonly client: EtcdClient;
  readonly keeper: SessionKeeper;
  readonly logger: CoordLogger;
  readonly clock: Clock;
  readonly key: string;
  /** The directory of the service: through it the registration sees what others do to its key. */
  readonly handle: DirectoryHandle;
  /** Called once, when the registration has ended. */
  readonly onEnd: () => void;
}

/**
 * One published instance. The key hangs on the shared session and is put back by itself: when the lease was lost, when
 * etcd was wiped or restored, and when somebody deleted or altered it. The first repair is immediate, further ones wait
 * (up to 5 s), so that two processes that claim one id do not flood etcd.
 */
export class Registration implements AsyncDisposable {
  /** Emits the state now and each change; completes after `deregistered`; never errors. */
  readonly state$: Observable<RegistrationState>;
  readonly #deps: RegistrationDeps;
  readonly #state = new BehaviorSubject<RegistrationState>('lost');
  readonly #published: PublishedKey;
  readonly #repair = new Backoff({ first: 200, most: 5_000 });
  readonly #unsubscribe: (() => void)[] = [];
  #forgetSession: () => void = () => undefined;
  #ended = false;
  #cutPause: (() => void) | undefined;
  #lastRepair = -Infinity;
  #dirty = false;
  #working: Promise<void> | undefined;
  #removal: Promise<void> | undefined;

  constructor(instance: ServiceInstance, deps: RegistrationDeps) {
    this.#deps = deps;
    this.#published = new PublishedKey(instance, deps);
    this.state$ = this.#state.asObservable();
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

  /** Publishes the key for the first time and keeps it from then on. A failure leaves nothing behind. */
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
      this.#published.moveTo(session);
      await this.#put(session, options);
    } catch (error) {
      this.#end();
      void this.#published.remove({}).catch(() => undefined);
      throw error;
    }
    this.#unsubscribe.push(keeper.onSession((session) => this.#onSession(session)));
    await this.#published.shown();
  }

  /** Replaces the metadata in place: clients keep their connections. */
  async update(metadata: Readonly<Record<string, string>>, options: CallOptions = {}): Promise<void> {
    await this.replace({ ...this.instance, metadata: checkMetadata('metadata', metadata) }, options);
  }

  /** Publishes `instance`, which has the same name and id, in place of what is published now. */
  async replace(instance: ServiceInstance, options: CallOptions = {}): Promise<void> {
    if (this.#ended) throw new ClosedError(`${this.#deps.key} is deregistered`);
    this.#published.change(instance);
    const { session } = this.#published;
    await this.#put(session?.isAlive() ? session : await this.#deps.keeper.acquire(options), options);
    await this.#published.shown();
  }

  /** Sets the drain mark: clients stop choosing this instance, calls already running go on. The key stays. */
  async drain(options: CallOptions = {}): Promise<void> {
    if (this.#ended) return;
    await this.replace(draining(this.instance), options);
  }

  /**
   * Marks the instance as leaving, so that clients believe the loss at once, and deletes the key. Idempotent. If etcd does
   * not answer within the budget it rejects with `CoordUnavailableError`, and goes on trying in the background.
   */
  deregister(options: CallOptions = {}): Promise<void> {
    this.#removal ??= this.#deregister(options);
    return this.#removal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.deregister();
  }

  async #deregister(options: CallOptions): Promise<void> {
    const working = this.#working;
    this.#end();
    // A write under way comes first, else it would bring the key back; but one that hangs does not hold up the end.
    if (working) await Promise.race([working, this.#after(LAST_WRITE_LIMIT)]);
    try {
      await this.#published.remove(options);
    } catch (error) {
      void this.#removeLater();
      throw error;
    }
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cutPause?.();
    this.#forgetSession();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#deps.handle.close();
    this.#deps.onEnd();
    this.#state.next('deregistered');
    this.#state.complete();
  }

  async #removeLater(): Promise<void> {
    const { client } = this.#deps;
    while (client.status !== 'closed' && this.#published.session?.isAlive()) {
      await this.#after(500 + this.#repair.next());
      try {
        return await this.#published.remove({});
      } catch {
        // still away: the lease dies with the session, and then there is nothing left to delete
      }
    }
  }

  /** Returns when the key hangs on the session: until then its lease before is kept. */
  async #onSession(session: Session): Promise<void> {
    if (session.signal.aborted) return;
    this.#forgetSession();
    this.#forgetSession = onAbort(session.signal, () => this.#onSessionLost(session));
    if (session === this.#published.session) return;
    this.#published.moveTo(session);
    this.#mend('the session was replaced');
    await this.#working;
  }

  #onSessionLost(session: Session): void {
    if (session === this.#published.session && !this.#ended) this.#become('lost');
  }

  #check(): void {
    if (this.#ended) return;
    const damage = this.#published.inspect();
    if (damage === 'deleted') this.#become('lost');
    if (damage !== undefined) this.#mend(`its key was ${damage}`);
  }

  /** Puts the key back, one attempt at a time; what happens meanwhile leads to one more. */
  #mend(reason: string): void {
    if (this.#ended) return;
    this.#dirty = true;
    this.#working ??= this.#work(reason).finally(() => (this.#working = undefined));
  }

  async #work(reason: string): Promise<void> {
    const { clock, logger, key } = this.#deps;
    while (this.#dirty && !this.#ended) {
      this.#dirty = false;
      if (clock.now() - this.#lastRepair > 10_000) this.#repair.reset();
      else await this.#untilEnded(this.#repair.next());
      const { session } = this.#published;
      // Without a live session there is nothing to hang the key on: the next session calls again.
      if (this.#ended || session === undefined || !session.isAlive()) return;
      this.#lastRepair = clock.now();
      try {
        await this.#put(session, {});
        logger.info('registration put back', {
          key,
          reason,
          lease: session.leaseId,
          revision: this.revision,
        });
      } catch {
        this.#dirty = session.isAlive();
      }
    }
  }

  /** Waits `delay` ms, or less if the registration ends. */
  async #untilEnded(delay: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#deps.clock.after(delay, resolve);
      this.#cutPause = () => (cancel(), resolve());
    });
    this.#cutPause = undefined;
  }

  #after(delay: number): Promise<void> {
    return new Promise((resolve) => void this.#deps.clock.after(delay, resolve));
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
