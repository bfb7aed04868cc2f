import { Observable } from 'rxjs';
import type { CallOptions } from '../etcd/etcd.options.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import { Listeners } from '../etcd/listeners.js';
import type { Mirror, MirrorChange } from '../etcd/mirror.js';
import type { KeyValue } from '../etcd/kv.js';
import { type ListPart, partsOf } from './list-part.js';
import { InstanceReader } from './instance-reader.js';
import { isDraining } from './instance-traits.js';
import type { InstanceChange } from './loss-guard.js';
import type { ServiceInstance } from './service-instance.js';

/** What happened to one instance, as users of a service see it: a drain mark is the end of it. */
export interface ServiceEvent {
  readonly type: 'PUT' | 'DELETE';
  readonly service: ServiceInstance;
}

/** What the directory saw of one key: its value, or that it is not there, at a revision of the store. */
export interface KeySighting {
  readonly current: KeyValue | undefined;
  readonly revision: bigint;
  /** The store was listed anew: its revisions may have begun again. */
  readonly relisted: boolean;
}

/**
 * The instances of one service as etcd has them, in memory. One directory, and so one watch, serves everybody in the process.
 *
 * A key that cannot be read as an instance is skipped and logged once; the others are not affected.
 */
export class ServiceDirectory {
  readonly name: string;
  readonly mirror: Mirror;
  readonly #keyPrefix: string;
  readonly #reader: InstanceReader;
  readonly #parts: ListPart[] = [];
  readonly #instances = new Map<string, ServiceInstance>();
  readonly #listeners: Listeners<readonly InstanceChange[]>;
  readonly #keyListeners = new Map<string, (sighting: KeySighting) => void>();
  #serving: readonly ServiceInstance[] | undefined;
  #synced = false;
  #seen = false;
  #onRead: (() => void)[] = [];

  /** @param keyPrefix the part of the keys before the id: `/services/{name}/` */
  constructor(name: string, keyPrefix: string, mirror: Mirror, logger: CoordLogger) {
    this.name = name;
    this.#keyPrefix = keyPrefix;
    this.mirror = mirror;
    this.#reader = new InstanceReader(name, keyPrefix, logger);
    this.#listeners = new Listeners((error) =>
      logger.error('a listener of the service directory threw', { service: name, err: error }),
    );
    mirror.subscribe((change) => this.#take(change));
    // A service without a key is a list without a change: the mirror's readiness tells that it was read.
    this.ready({ timeout: Infinity }).catch(() => undefined); // closed: nobody listens any more
  }

  /** Whether etcd's list has been read. Before that {@link instances} is empty and means nothing. */
  get synced(): boolean {
    return this.#synced;
  }

  /**
   * What follows "no instance is registered": nothing if this process has seen a key of the service. If it has not, what to
   * look at: such a name is likelier misspelt, or registered elsewhere, than stopped.
   */
  get hint(): string {
    if (!this.#synced || this.#seen) return '';
    return `, nor has this process seen one since it last began to look: is the name spelled right, and does its server register at ${this.#keyPrefix}{id}?`;
  }

  /** Every instance by id, the draining ones too. Live: it changes with etcd. */
  get instances(): ReadonlyMap<string, ServiceInstance> {
    return this.#instances;
  }

  /** The instances that take calls: those not draining. The array is frozen and stays the same until something changes. */
  get serving(): readonly ServiceInstance[] {
    this.#serving ??= Object.freeze(
      [...this.#instances.values()].filter((instance) => !isDraining(instance)),
    );
    return this.#serving;
  }

  /** Resolves once etcd's list has been read. Rejects with `CoordUnavailableError` when the budget ends before. */
  async ready(options?: CallOptions): Promise<void> {
    await this.mirror.ready(options);
    if (this.#parts.length > 0) await new Promise<void>((resolve) => this.#onRead.push(resolve));
    this.#sync();
  }

  /** Calls `listener` for each change, once with no changes when the first list is empty. Returns the unsubscribing function. */
  subscribe(listener: (changes: readonly InstanceChange[]) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Tells the owner of a key what becomes of it, readable or not. Returns the unsubscribing function. */
  onKey(key: string, listener: (sighting: KeySighting) => void): () => void {
    this.#keyListeners.set(key, listener);
    return () => this.#keyListeners.delete(key);
  }

  /** One event for each instance that comes, changes or goes, in etcd's order; those already there come first. */
  readonly events$ = new Observable<ServiceEvent>((subscriber) => {
    for (const service of this.serving) subscriber.next({ type: 'PUT', service });
    subscriber.add(
      this.subscribe((changes) => {
        for (const { previous, current } of changes) {
          if (current !== undefined && !isDraining(current)) {
            subscriber.next({ type: 'PUT', service: current });
          } else if (previous !== undefined && !isDraining(previous)) {
            subscriber.next({ type: 'DELETE', service: previous });
          }
        }
      }),
    );
  });

  #sync(): void {
    if (this.#synced) return;
    this.#synced = true;
    this.#listeners.tell([]);
  }

  #take(change: MirrorChange): void {
    const idle = this.#parts.length === 0;
    const parts = partsOf(change);
    this.#parts.push(...parts);
    if (!idle) return;
    if (parts.length === 1) this.#applyNext();
    else setImmediate(() => this.#applyNext());
  }

  /** What a watch brings is applied at once; a long list part by part, and what comes meanwhile after it. */
  #applyNext(): void {
    const part = this.#parts[0];
    if (part === undefined) return;
    this.#apply(part);
    this.#parts.shift();
    if (this.#parts.length > 0) return void setImmediate(() => this.#applyNext());
    for (const resolve of this.#onRead.splice(0)) resolve();
  }

  #apply({ changes, revision, cause, last }: ListPart): void {
    this.#seen ||= changes.length > 0;
    const seen: InstanceChange[] = [];
    for (const { key, current: keyValue } of changes) {
      const id = this.#reader.idOf(key);
      const previous = this.#instances.get(id);
      const current = keyValue === undefined ? undefined : this.#reader.read(key, keyValue, revision);
      if (keyValue === undefined) this.#reader.forget(key);
      if (previous === undefined && current === undefined) continue;
      if (current === undefined) this.#instances.delete(id);
      else this.#instances.set(id, current);
      if (!isSameToUsers(previous, current)) this.#serving = undefined;
      seen.push({ id, previous, current });
    }
    if (last) this.#synced = true;
    this.#tellOwners({ changes, revision, cause, last });
    this.#listeners.tell(seen);
  }

  #tellOwners({ changes, revision, cause, last }: ListPart): void {
    if (this.#keyListeners.size === 0) return;
    for (const { key, current } of changes) {
      this.#keyListeners.get(key)?.({ current, revision, relisted: cause === 'relist' });
    }
    if (cause !== 'list' || !last) return;
    for (const [key, listener] of this.#keyListeners) {
      if (this.#instances.has(this.#reader.idOf(key)) || this.#reader.skips(key)) continue;
      listener({ current: undefined, revision, relisted: false });
    }
  }
}

/** Two draining instances look the same from outside: like none. */
function isSameToUsers(previous: ServiceInstance | undefined, current: ServiceInstance | undefined): boolean {
  const shown = (instance?: ServiceInstance): ServiceInstance | undefined =>
    instance !== undefined && !isDraining(instance) ? instance : undefined;
  return shown(previous) === shown(current);
}
