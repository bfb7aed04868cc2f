import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CoordLogger } from '../etcd/coord-logger.js';
import { decodeInstance, encodeInstance } from './instance-record.js';
import type { ServiceInstance } from './service-instance.js';

export interface SnapshotPlace {
  readonly dir: string;
  /** A folder in it for one etcd and prefix: a process may have registries of several. */
  readonly source: string;
  /** A file older than this, in ms, is not used. */
  readonly maxAge: number;
}

/** The last good instances of one service, on disk: what a process calls that starts while etcd is away. */
export class EndpointSnapshot {
  readonly #file: string;
  readonly #dir: string;
  readonly #maxAge: number;
  readonly #name: string;
  readonly #logger: CoordLogger;

  constructor(place: SnapshotPlace, name: string, logger: CoordLogger) {
    this.#dir = join(place.dir, 'services', place.source);
    this.#file = join(this.#dir, `${name}.json`);
    this.#maxAge = place.maxAge;
    this.#name = name;
    this.#logger = logger;
  }

  /** The instances written last, or `undefined` if there are none, or they are too old or unreadable. Never rejects. */
  async load(): Promise<readonly ServiceInstance[] | undefined> {
    try {
      const { savedAt, instances } = JSON.parse(await readFile(this.#file, 'utf8')) as {
        savedAt: number;
        instances: readonly unknown[];
      };
      if (!(Date.now() - savedAt <= this.#maxAge)) return undefined;
      return instances.map((record) => {
        const id = (record as { id: string }).id;
        return decodeInstance(this.#name, id, Buffer.from(JSON.stringify(record)));
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        this.#logger.warn('the snapshot of endpoints cannot be read', { file: this.#file, err: error });
      }
      return undefined;
    }
  }

  /** Replaces the file as a whole: a crash in the middle leaves the older one. Never rejects. */
  async save(instances: readonly ServiceInstance[]): Promise<void> {
    const records = instances.map((instance): unknown => JSON.parse(encodeInstance(instance)));
    // Other processes may keep the same file, and in containers they have the same process id.
    const draft = `${this.#file}.${randomUUID()}`;
    try {
      await mkdir(this.#dir, { recursive: true });
      await writeFile(draft, JSON.stringify({ savedAt: Date.now(), instances: records }), { mode: 0o600 });
      await rename(draft, this.#file);
    } catch (error) {
      await rm(draft, { force: true }).catch(() => undefined);
      this.#logger.warn('the snapshot of endpoints cannot be written', { file: this.#file, err: error });
    }
  }
}
