import { Observable } from 'rxjs';
import { CoordUnavailableError } from '../../errors/coord-unavailable.error.js';
import { checkName } from '../../options/check.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import type { RoomContext } from '../etcd/room-context.js';
import { serviceRange } from './instance-key.js';
import { decodeInstance } from './instance-record.js';
import { isDraining } from './instance-traits.js';
import type { ServiceDirectories } from './service-directories.js';
import type { ServiceDirectory, ServiceEvent } from './service-directory.js';
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
   * this process knew last; if it knows nothing, a `CoordUnavailableError`. For each request use {@link watch} or `pick`.
   */
  async discover(name: string, options: CallOptions = {}): Promise<ServiceInstance[]> {
    checkName('name', name);
    const known = this.#directories.peek(name);
    const hurried = known?.synced && options.timeout === undefined;
    try {
      return await this.#read(name, hurried ? { ...options, timeout: FRESH_BUDGET } : options);
    } catch (error) {
      if (known?.synced && error instanceof CoordUnavailableError) return [...known.serving];
      throw error;
    }
  }

  /** The serving instances now, as soon as they are known, and after every change. Completes on close, never errors. */
  watch(name: string): Observable<readonly ServiceInstance[]> {
    return this.#observe(name, (directory) => directory.serving$);
  }

  /** One event for each serving instance there is, comes, changes or goes. Completes on close, never errors. */
  events(name: string): Observable<ServiceEvent> {
    return this.#observe(name, (directory) => directory.events$);
  }

  #observe<T>(name: string, of: (directory: ServiceDirectory) => Observable<T>): Observable<T> {
    checkName('name', name);
    return new Observable<T>((subscriber) => {
      subscriber.add(this.#closing.subscribe(() => subscriber.complete()));
      if (subscriber.closed) return;
      const handle = this.#directories.open(name);
      subscriber.add(of(handle.directory).subscribe(subscriber));
      subscriber.add(() => handle.close());
    });
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
