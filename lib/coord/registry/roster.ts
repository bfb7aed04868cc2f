import { type Clock } from '../etcd/clock.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import { Listeners } from '../etcd/listeners.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import type { EndpointSnapshot } from './endpoint-snapshot.js';
import { type InstanceChange, LossGuard } from './loss-guard.js';
import { isDraining } from './instance-traits.js';
import type { ServiceDirectory } from './service-directory.js';
import type { ServiceInstance } from './service-instance.js';
import { refusesConnections } from './tcp-probe.js';

/** How long etcd may take to answer before the snapshot of an earlier run is used, in ms. */
const SNAPSHOT_GRACE = 150;

/** The last good set is written this long after a change, in ms: a rolling restart is one file, not a hundred. */
const SAVE_DELAY = 500;

/** How often those withheld from removal are tried, in ms, and how many at a time: many processes do so at once. */
const SUSPECT_INTERVAL = 2_000;
const SUSPECTS_AT_ONCE = 16;

export interface RosterDeps {
  readonly clock: Clock;
  readonly logger: CoordLogger;
  /** The last good set on disk. @default none */
  readonly store?: EndpointSnapshot;
  /** Whether anybody refuses connections there. @default a TCP connect */
  readonly refuses?: (host: string, port: number) => Promise<boolean>;
}

/**
 * Whom a client of the service may call: the directory, guarded against losing everything by accident and, at a start
 * without etcd, filled from the snapshot of an earlier run.
 */
export class Roster {
  readonly #directory: ServiceDirectory;
  readonly #guard: LossGuard;
  readonly #deps: RosterDeps;
  readonly #listeners: Listeners<readonly InstanceChange[]>;
  readonly #unsubscribe: () => void;
  #cancelGrace: (() => void) | undefined;
  #cancelSave: (() => void) | undefined;
  #cancelTrial: (() => void) | undefined;
  #remembered: readonly ServiceInstance[] | undefined;
  #closed = false;

  constructor(directory: ServiceDirectory, deps: RosterDeps) {
    this.#directory = directory;
    this.#deps = deps;
    this.#guard = new LossGuard(deps.clock);
    this.#listeners = new Listeners((error) =>
      deps.logger.error('a listener of the roster threw', { service: directory.name, err: error }),
    );
    this.#unsubscribe = directory.subscribe((changes) => this.#onDirectory(changes));
    if (deps.store) {
      this.#cancelGrace = deps.clock.after(SNAPSHOT_GRACE, () => void this.#restore());
    }
  }

  /** Whether {@link members} means something: etcd's list was read, or a snapshot was. */
  get known(): boolean {
    return this.#directory.synced || this.#remembered !== undefined;
  }

  /** The instances that may be called, by id; the draining ones are among them. Live. */
  get members(): ReadonlyMap<string, ServiceInstance> {
    return this.#guard.members;
  }

  /** Resolves once it is {@link known}. Rejects like the directory's `ready()` when the budget ends before. */
  async ready(options?: CallOptions): Promise<void> {
    if (this.known) return;
    let known = (): void => undefined;
    const remembered = new Promise<void>((resolve) => (known = resolve));
    const unsubscribe = this.subscribe(() => {
      if (this.known) known();
    });
    try {
      await Promise.race([this.#directory.ready(options), remembered]);
    } finally {
      unsubscribe();
    }
  }

  /**
   * The serving instances as etcd lists them; until it has been heard, those of the snapshot. `undefined` while neither is
   * known. The array is the same until something changes.
   */
  get listed(): readonly ServiceInstance[] | undefined {
    return this.#directory.synced ? this.#directory.serving : this.#remembered;
  }

  /** Whether losses are withheld: etcd lists far fewer instances than a moment ago. */
  get holding(): boolean {
    return this.#guard.holding;
  }

  /** Whether etcd lists this instance; otherwise it is withheld from removal, or remembered from an earlier run. */
  isPresent(id: string): boolean {
    return this.#guard.isPresent(id);
  }

  /**
   * Calls `listener` after each change of the members, or of what is known of them, with what changed. Returns the
   * unsubscribing function.
   */
  subscribe(listener: (changes: readonly InstanceChange[]) => void): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Somebody could not connect to this instance. If etcd does not list it either, and nobody listens there, it is gone; a
   * client with the wrong certificate, or a network that is down, proves nothing.
   */
  async doubt(id: string): Promise<void> {
    const instance = this.#guard.members.get(id);
    if (instance === undefined || this.#guard.isPresent(id)) return;
    const { refuses = refusesConnections } = this.#deps;
    if ((await refuses(instance.address, instance.port)) && !this.#closed) this.#confirmLost(id);
  }

  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#listeners.clear();
    this.#cancelGrace?.();
    this.#cancelTrial?.();
    if (this.#cancelSave !== undefined) {
      this.#cancelSave();
      void this.#save();
    }
  }

  #onDirectory(changes: readonly InstanceChange[]): void {
    this.#cancelGrace?.();
    this.#cancelGrace = undefined;
    const held = this.#guard.holding;
    const moved = this.#guard.apply(changes);
    if (this.#guard.holding !== held) this.#logHolding();
    this.#trySuspects();
    this.#listeners.tell(moved);
    if (moved.length > 0) this.#saveSoon();
  }

  #saveSoon(): void {
    if (this.#deps.store === undefined) return;
    this.#cancelSave ??= this.#deps.clock.after(SAVE_DELAY, () => void this.#save());
  }

  /** While losses are withheld, looks whether somebody refuses connections there: that confirms the loss. */
  #trySuspects(): void {
    if (!this.#guard.holding || this.#cancelTrial !== undefined) return;
    this.#cancelTrial = this.#deps.clock.after(SUSPECT_INTERVAL, () => void this.#trial());
  }

  async #trial(): Promise<void> {
    const suspects = [...this.#guard.members.values()].filter(({ id }) => !this.#guard.isPresent(id));
    const start = Math.floor(Math.random() * suspects.length);
    const drawn = [...suspects.slice(start), ...suspects.slice(0, start)].slice(0, SUSPECTS_AT_ONCE);
    await Promise.all(drawn.map(({ id }) => this.doubt(id)));
    this.#cancelTrial = undefined;
    if (!this.#closed) this.#trySuspects();
  }

  #confirmLost(id: string): void {
    const changes = this.#guard.confirmLost(id);
    if (changes.length === 0) return;
    this.#listeners.tell(changes);
    this.#saveSoon();
  }

  #logHolding(): void {
    const fields = {
      service: this.#directory.name,
      listed: this.#directory.instances.size,
      kept: this.#guard.members.size,
    };
    if (this.#guard.holding) {
      this.#deps.logger.warn(
        'the registry lost most instances at once: clients keep the last good set',
        fields,
      );
    } else this.#deps.logger.info('the registry has the instances again', fields);
  }

  async #restore(): Promise<void> {
    const instances = await this.#deps.store?.load();
    if (this.#closed || this.#directory.synced || instances === undefined) return;
    this.#remembered = Object.freeze([...instances]);
    const changes = this.#guard.seed(instances);
    this.#trySuspects();
    this.#deps.logger.warn('etcd has not answered: instances of an earlier run are used', {
      service: this.#directory.name,
      instances: instances.length,
    });
    this.#listeners.tell(changes);
  }

  /** Those that may be called, not those that etcd lists: leases that expire one by one do not empty the snapshot. */
  async #save(): Promise<void> {
    this.#cancelSave = undefined;
    const instances = [...this.#guard.members.values()].filter((instance) => !isDraining(instance));
    if (instances.length > 0) await this.#deps.store?.save(instances);
  }
}
