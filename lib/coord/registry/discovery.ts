import { Observable } from 'rxjs';
import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { checkName } from '../../options/check.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import type { RoomContext } from '../etcd/room-context.js';
import { shownSafely } from '../etcd/shown-safely.js';
import { serviceRange } from './instance-key.js';
import { decodeInstance } from './instance-record.js';
import { isDraining } from './instance-traits.js';
import type { DirectoryHandle, ServiceDirectories } from './service-directories.js';
import type { ServiceEvent } from './service-directory.js';
import type { ServiceInstance } from './service-instance.js';

/** How long etcd may take before the answer comes from memory, in ms. */
const FRESH_BUDGET = 1_000;

/** Reads who serves: once, or for as long as somebody listens. */
export class Discovery {
  readonly #context: RoomContext;
  readonly #directories: ServiceDirectories;
  readonly #closing: Observable<unknown>;

  /** @param closing emits once, when the registry closes: every observable then completes. */
  constructor(context: RoomContext, directories: ServiceDirectories, closing: Observable<unknown>) {
    this.#context = context;
    this.#directories = directories;
    this.#closing = closing;
  }

  /**
   * The serving instances, read from etcd: what was registered before the call is in it. While etcd does not answer, what
   * this process knew last, or an earlier run of it (`snapshot`); if that is nothing, a `CoordUnavailableError`. For each
   * request use {@link watch} or `pick`.
   */
  async discover(name: string, options: CallOptions = {}): Promise<ServiceInstance[]> {
    checkName('name', name);
    const known = this.#directories.peek(name);
    const fallback = async (): Promise<readonly ServiceInstance[] | undefined> =>
      known?.synced ? known.serving : this.#directories.remembered(name);
    const hurried = options.timeout === undefined && (await fallback()) !== undefined;
    try {
      return await this.#read(name, hurried ? { ...options, timeout: FRESH_BUDGET } : options);
    } catch (error) {
      const last = error instanceof CoordUnavailableError ? await fallback() : undefined;
      if (last === undefined) throw error;
      return [...last];
    }
  }

  /**
   * The serving instances now, as soon as they are known, and after every change. At a start without etcd the first set is
   * that of the snapshot. Completes on close, never errors.
   */
  watch(name: string): Observable<readonly ServiceInstance[]> {
    return this.#observe(
      name,
      ({ roster }) =>
        new Observable((subscriber) => {
          let last: readonly ServiceInstance[] | undefined;
          const emit = (): void => {
            const { listed } = roster;
            if (listed === undefined || listed === last) return;
            last = listed;
            subscriber.next(listed);
          };
          subscriber.add(roster.subscribe(emit));
          emit();
        }),
    );
  }

  /** One event for each serving instance there is, comes, changes or goes. Completes on close, never errors. */
  events(name: string): Observable<ServiceEvent> {
    return this.#observe(name, ({ directory }) => directory.events$);
  }

  #observe<T>(name: string, of: (handle: DirectoryHandle) => Observable<T>): Observable<T> {
    checkName('name', name);
    const source = new Observable<T>((subscriber) => {
      subscriber.add(this.#closing.subscribe(() => subscriber.complete()));
      if (subscriber.closed) return;
      const handle = this.#directories.open(name);
      subscriber.add(of(handle).subscribe(subscriber));
      subscriber.add(() => handle.close());
    });
    return shownSafely(source, (error) =>
      this.#context.logger.error('a subscriber of the registry threw', { service: name, err: error }),
    );
  }

  async #read(name: string, options: CallOptions): Promise<ServiceInstance[]> {
    const { client, prefixes } = this.#context;
    const range = serviceRange(prefixes.services, name);
    const { kvs } = await client.range(range, options);
    return kvs.flatMap(({ key, value }) => {
      try {
        const instance = decodeInstance(name, key.slice(range.key.length), value);
        return isDraining(instance) ? [] : [instance];
      } catch {
        return []; // the directory logs it, once; a read does not
      }
    });
  }
}
