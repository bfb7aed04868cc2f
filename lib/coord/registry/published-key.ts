import type { Clock } from '../etcd/clock.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import type { Compare } from '../etcd/kv.js';
import type { Session } from '../etcd/session.js';
import { encodeInstance } from './instance-record.js';
import { draining } from './instance-traits.js';
import type { KeySighting } from './service-directory.js';
import type { ServiceInstance } from './service-instance.js';

/** The own watch is at most this far behind, in ms, when it is healthy. */
const SHOWN_LIMIT = 250;

export interface PublishedKeyDeps {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly key: string;
}

/** What somebody did to the key: `undefined` if it is as it was written, or if that cannot be told yet. */
export type KeyDamage = 'deleted' | 'altered' | undefined;

/**
 * The key of one instance in etcd: what it should hold, on which session it hangs, what was written last and what was seen
 * of it since. Nothing here happens by itself.
 */
export class PublishedKey {
  readonly #deps: PublishedKeyDeps;
  #instance: ServiceInstance;
  #value: string;
  #session: Session | undefined;
  /** The sessions that the key may hang on: those of every write that has run, or may have. */
  readonly #holders = new Set<Session>();
  #written = 0n;
  #writing = 0;
  /** How many writes were begun. */
  #turn = 0;
  #seen: KeySighting | undefined;
  #onShown: (() => void) | undefined;

  constructor(instance: ServiceInstance, deps: PublishedKeyDeps) {
    this.#instance = instance;
    this.#value = encodeInstance(instance);
    this.#deps = deps;
  }

  get instance(): ServiceInstance {
    return this.#instance;
  }

  /** The session that the key hangs on, or is about to. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** The revision of the last write; a reader that has seen it has seen what it wrote. */
  get revision(): bigint {
    return this.#written;
  }

  /** What the key holds from the next {@link put} on. */
  change(instance: ServiceInstance): void {
    this.#instance = Object.freeze(instance);
    this.#value = encodeInstance(instance);
  }

  /** Where the next {@link put} hangs it. */
  moveTo(session: Session): void {
    this.#session = session;
  }

  async put(session: Session, options: CallOptions): Promise<void> {
    const { client, key } = this.#deps;
    const put = { key, value: this.#value, lease: session.leaseId };
    const turn = ++this.#turn;
    this.#writing++;
    this.#holders.add(session);
    try {
      const { revision } = await client.commit(
        { success: [{ put }] },
        { ...options, idempotent: true, unordered: true, session },
      );
      // Of two writes on their way the later one counts, in whichever order their answers come.
      if (turn < this.#turn) {
        if (revision > this.#written) this.#written = revision;
        return;
      }
      this.#written = revision;
      this.#session = session;
      // Writes of one key run in the order of their calls: what was written before is overwritten.
      for (const holder of this.#holders) if (holder !== session) this.#holders.delete(holder);
    } finally {
      this.#writing--;
    }
  }

  /** Whether there may be something to {@link remove}: what hangs on a lost session goes with its lease. */
  get removable(): boolean {
    return [...this.#holders].some((session) => session.isAlive());
  }

  /**
   * Sets the drain mark, so that clients believe the loss at once, and deletes the key. The mark is guarded by our lease,
   * the delete by the mark: a key that another process has taken over is not touched, nor that of another registration of
   * this one, which `superseded` tells of.
   */
  async remove(options: CallOptions, superseded: () => boolean): Promise<void> {
    for (const session of this.#holders) {
      if (!superseded()) await this.#removeFrom(session, options);
    }
    this.#holders.clear();
  }

  async #removeFrom(session: Session, options: CallOptions): Promise<void> {
    const { client, key } = this.#deps;
    const lease = session.leaseId;
    const value = encodeInstance(draining(this.#instance));
    const guarded = { ...options, idempotent: true, unordered: true };
    const onOurLease = { key, target: 'lease', value: lease } as const;
    const compare: Compare[] = [onOurLease];
    if (session.isAlive()) {
      const marked = await client.commit(
        { compare: [onOurLease], success: [{ put: { key, value, lease } }] },
        guarded,
      );
      if (!marked.succeeded) return;
      compare.push({ key, target: 'value', value });
    }
    await client.commit({ compare, success: [{ delete: { key } }] }, guarded);
  }

  /** Takes what the directory saw. */
  see(sighting: KeySighting): void {
    // A store that was wiped or restored counts its revisions anew.
    if (sighting.relisted && sighting.revision < this.#written) this.#written = 0n;
    this.#seen = sighting;
  }

  /** Compares what was seen with what was written, once the directory has seen that write. */
  inspect(): KeyDamage {
    // While a write is under way nobody can tell what should be there; it looks again when it is done.
    if (this.#seen === undefined || this.#writing > 0) return undefined;
    const { current, revision } = this.#seen;
    if (revision < this.#written) return undefined;
    this.#onShown?.();
    if (current === undefined) return 'deleted';
    const intact = current.value.toString() === this.#value && current.lease === this.#session?.leaseId;
    return intact ? undefined : 'altered';
  }

  /** Resolves when clients of this process see the last write, or after a moment without news. */
  async shown(): Promise<void> {
    if (this.#seen !== undefined && this.#seen.revision >= this.#written) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#deps.clock.after(SHOWN_LIMIT, resolve);
      this.#onShown = () => (cancel(), resolve());
    });
    this.#onShown = undefined;
  }
}
