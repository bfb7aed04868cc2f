import type { RoomContext } from '../etcd/room-context.js';
import { type Clock, systemClock } from '../etcd/clock.js';
import { ClosedError } from '../../errors/closed.error.js';
import { EndpointSnapshot } from './endpoint-snapshot.js';
import { serviceRange } from './instance-key.js';
import { PART_SIZE } from './list-part.js';
import { Roster } from './roster.js';
import { ServiceDirectory } from './service-directory.js';
import type { ServiceInstance } from './service-instance.js';
import { sourceFolder } from './source.js';

/** How long a directory that nobody uses stays open, in ms: a proxy made anew a moment later finds it warm. */
const LINGER = 10_000;

/** Somebody's hold on a service's directory. Close it when done. */
export interface DirectoryHandle {
  readonly directory: ServiceDirectory;
  readonly roster: Roster;
  close(): void;
}

interface Opened {
  readonly directory: ServiceDirectory;
  readonly roster: Roster;
  users: number;
  cancelLinger: (() => void) | undefined;
}

/** One directory a service and process, however many clients, watchers and registrations use it. */
export class ServiceDirectories {
  readonly #context: RoomContext;
  readonly #clock: Clock;
  readonly #opened = new Map<string, Opened>();
  #closed = false;

  constructor(context: RoomContext, clock: Clock = systemClock) {
    this.#context = context;
    this.#clock = clock;
  }

  open(name: string): DirectoryHandle {
    if (this.#closed) throw new ClosedError(`the registry is closed: ${name} cannot be looked up any more`);
    const opened = this.#opened.get(name) ?? this.#start(name);
    opened.users++;
    opened.cancelLinger?.();
    opened.cancelLinger = undefined;
    let open = true;
    return {
      directory: opened.directory,
      roster: opened.roster,
      close: () => {
        if (!open) return;
        open = false;
        if (--opened.users === 0 && !this.#closed) {
          opened.cancelLinger = this.#clock.after(LINGER, () => this.#end(name, opened));
        }
      },
    };
  }

  /** The directory of a service, if somebody has it open. */
  peek(name: string): ServiceDirectory | undefined {
    return this.#opened.get(name)?.directory;
  }

  /** What the last good set of an earlier run was; `undefined` where there is no snapshot, or none that may be used. */
  async remembered(name: string): Promise<readonly ServiceInstance[] | undefined> {
    return this.#snapshotOf(name)?.load();
  }

  close(): void {
    this.#closed = true;
    for (const [name, opened] of this.#opened) this.#end(name, opened);
  }

  #start(name: string): Opened {
    const { client, prefixes, logger } = this.#context;
    const range = serviceRange(prefixes.services, name);
    const directory = new ServiceDirectory(
      name,
      range.key,
      client.mirror(range, { pageSize: PART_SIZE }),
      logger,
    );
    const store = this.#snapshotOf(name);
    const roster = new Roster(directory, { clock: this.#clock, logger, ...(store && { store }) });
    const opened: Opened = { directory, roster, users: 0, cancelLinger: undefined };
    this.#opened.set(name, opened);
    return opened;
  }

  #snapshotOf(name: string): EndpointSnapshot | undefined {
    const { snapshot, logger } = this.#context;
    if (snapshot === undefined) return undefined;
    return new EndpointSnapshot({ ...snapshot, source: sourceFolder(this.#context) }, name, logger);
  }

  #end(name: string, opened: Opened): void {
    opened.cancelLinger?.();
    opened.roster.close();
    opened.directory.mirror.close();
    this.#opened.delete(name);
  }
}
