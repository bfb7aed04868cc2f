import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rename, unlink } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Clock } from './clock.js';
import type { ResolvedRotation } from './resolve-clog-options.js';

const DAY = 24 * 60 * 60 * 1000;

interface Backup {
  readonly name: string;
  /** When the file was put aside, in milliseconds since 1970. */
  readonly time: number;
  readonly zipped: boolean;
}

/**
 * The files that were put aside: `app.log` becomes `app-2026-01-31T12-00-00.000Z.log`, later `….log.gz`. Zipping and
 * deleting happen in the background; a process that dies in the middle leaves a `.tmp` or a file and its zip, which
 * the next one clears away: no line is lost or doubled.
 */
export class BackupFiles {
  readonly #folder: string;
  readonly #stem: string;
  readonly #extension: string;
  readonly #clock: Clock;
  #latest = 0;
  #running: Promise<void> | undefined;
  #again = false;

  constructor(path: string, clock: Clock) {
    this.#folder = dirname(path);
    this.#extension = extname(path);
    this.#stem = basename(path, this.#extension);
    this.#clock = clock;
  }

  /** The path for the file that is put aside now; later ones sort behind it, whatever the wall clock does. */
  next(): string {
    if (this.#latest === 0) {
      for (const { time } of this.#parse(readdirSync(this.#folder)))
        this.#latest = Math.max(this.#latest, time);
    }
    this.#latest = Math.max(this.#clock.now(), this.#latest + 1);
    const stamp = new Date(this.#latest).toISOString().replaceAll(':', '-');
    return join(this.#folder, `${this.#stem}-${stamp}${this.#extension}`);
  }

  /** Deletes what is too many or too old and zips the rest, one run at a time. Never rejects. */
  tidy(rotation: ResolvedRotation): Promise<void> {
    if (this.#running !== undefined) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#tidyAll(rotation).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Resolves when no background work runs. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #tidyAll(rotation: ResolvedRotation): Promise<void> {
    do {
      this.#again = false;
      try {
        await this.#tidyOnce(rotation);
      } catch {
        // A folder that cannot be listed or written: the next file that is put aside tries again.
      }
    } while (this.#again);
  }

  async #tidyOnce({ maxBackups, maxAge, compress }: ResolvedRotation): Promise<void> {
    const names = await readdir(this.#folder);
    const backups = this.#parse(names).sort((left, right) => right.time - left.time);
    const oldest = maxAge === 0 ? 0 : this.#clock.now() - maxAge * DAY;
    const times = [...new Set(backups.map(({ time }) => time))];
    const kept = new Set(times.filter((time, at) => time >= oldest && (maxBackups === 0 || at < maxBackups)));
    for (const name of names) {
      if (name.endsWith('.tmp') && this.#parse([name.slice(0, -4)]).length > 0) await this.#delete(name);
    }
    for (const { name, time, zipped } of backups) {
      if (!kept.has(time)) await this.#delete(name);
      // The zip is whole, since it was renamed; its original was about to be deleted.
      else if (!zipped && names.includes(`${name}.gz`)) await this.#delete(name);
      else if (!zipped && compress) await this.#zip(name);
    }
  }

  async #zip(name: string): Promise<void> {
    const path = join(this.#folder, name);
    await pipeline(createReadStream(path), createGzip(), createWriteStream(`${path}.gz.tmp`));
    await rename(`${path}.gz.tmp`, `${path}.gz`);
    await unlink(path);
  }

  async #delete(name: string): Promise<void> {
    await unlink(join(this.#folder, name)).catch(() => undefined);
  }

  #parse(names: readonly string[]): Backup[] {
    const backups: Backup[] = [];
    for (const name of names) {
      const zipped = name.endsWith('.gz');
      const plain = zipped ? name.slice(0, -3) : name;
      if (!plain.startsWith(`${this.#stem}-`) || !plain.endsWith(this.#extension)) continue;
      const stamp = plain.slice(this.#stem.length + 1, plain.length - this.#extension.length);
      const match = /^(\d{4}-\d\d-\d\dT\d\d)-(\d\d)-(\d\d\.\d{3}Z)$/.exec(stamp);
      if (match !== null)
        backups.push({ name, zipped, time: Date.parse(`${match[1]}:${match[2]}:${match[3]}`) });
    }
    return backups;
  }
}
