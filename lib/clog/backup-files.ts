import { createReadStream, createWriteStream, readdirSync } from 'node:fs';
import { readdir, rename, unlink } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Clock } from './clock.js';
import type { ResolvedRotation } from './resolve-clog-options.js';
import { syncFile, syncFolder } from './sync-file.js';

const DAY = 24 * 60 * 60 * 1000;
/** What a shutdown waits for zipping: 3 s, several times what a file of the default size takes. */
const LONGEST_CLOSE = 3000;

interface Backup {
  readonly name: string;
  /** When the file was put aside, in milliseconds since 1970. */
  readonly time: number;
  readonly zipped: boolean;
}

/** Names of files that are being made; a logger that is closing and its successor must not share one. */
let made = 0;

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
  readonly #notice: (text: string) => void;
  readonly #closed = new AbortController();
  /** Files that were put aside and that nobody has brought to the disk yet. */
  readonly #unsynced = new Set<string>();
  #latest = 0;
  #running: Promise<void> | undefined;
  /** The rotation of the run that comes next. */
  #next: ResolvedRotation | undefined;
  #failing = false;

  /** @param notice told once when files can no longer be zipped or deleted. */
  constructor(path: string, clock: Clock, notice: (text: string) => void) {
    this.#folder = dirname(path);
    this.#extension = extname(path);
    this.#stem = basename(path, this.#extension);
    this.#clock = clock;
    this.#notice = notice;
  }

  /** The path for the file that is put aside now; later ones sort behind it, whatever the wall clock does. */
  next(): string {
    if (this.#latest === 0) {
      for (const { time } of this.#parse(readdirSync(this.#folder)))
        this.#latest = Math.max(this.#latest, time);
    }
    this.#latest = Math.max(this.#clock.now(), this.#latest + 1);
    const stamp = new Date(this.#latest).toISOString().replaceAll(':', '-');
    const name = `${this.#stem}-${stamp}${this.#extension}`;
    this.#unsynced.add(name);
    return join(this.#folder, name);
  }

  /**
   * Deletes what is too many or too old, then zips the rest, one run at a time; the rotation asked for last holds. Never
   * rejects: what fails is tried again when the next file is put aside.
   */
  tidy(rotation: ResolvedRotation): Promise<void> {
    this.#next = rotation;
    this.#running ??= this.#tidyAll().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Resolves when the files put aside so far would survive a power failure; a zip does before its original goes. */
  async sync(): Promise<void> {
    for (const name of this.#unsynced) {
      await syncFile(join(this.#folder, name)).catch((error: NodeJS.ErrnoException) => {
        // Zipped or deleted meanwhile, or never put aside.
        if (error.code !== 'ENOENT') throw error;
      });
      this.#unsynced.delete(name);
    }
  }

  /** Ends the background work, at once if it is short; a zip that is half done is left to the next process. */
  async close(): Promise<void> {
    const cancel = this.#clock.after(LONGEST_CLOSE, () => this.#closed.abort());
    await this.#running;
    cancel();
    this.#closed.abort();
  }

  async #tidyAll(): Promise<void> {
    for (let rotation = this.#next; rotation !== undefined; rotation = this.#next) {
      this.#next = undefined;
      const failure = await this.#tidyOnce(rotation);
      if (failure !== undefined && !this.#failing) this.#notice(failure);
      this.#failing = failure !== undefined;
    }
  }

  /** Gives what went wrong first, as a person should read it. */
  async #tidyOnce({ maxBackups, maxAge, compress }: ResolvedRotation): Promise<string | undefined> {
    const failures: string[] = [];
    const attempt = async (name: string, what: string, work: (path: string) => Promise<void>) => {
      const path = join(this.#folder, name);
      await work(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || this.#closed.signal.aborted) return;
        failures.push(`im-infra: ${path} cannot be ${what} (${error.code ?? String(error)})\n`);
      });
    };
    const names = await this.#list();
    const backups = this.#parse(names).sort((left, right) => right.time - left.time);
    const oldest = maxAge === 0 ? 0 : this.#clock.now() - maxAge * DAY;
    const times = [...new Set(backups.map(({ time }) => time))];
    const kept = new Set(times.filter((time, at) => time >= oldest && (maxBackups === 0 || at < maxBackups)));
    // A zip is whole, since it was renamed; its original was about to be deleted.
    const isOver = ({ name, time, zipped }: Backup) =>
      !kept.has(time) || (!zipped && names.includes(`${name}.gz`));
    // Room first: zipping needs some, and may have to wait for it.
    for (const name of names.filter((each) => this.#isLeftOver(each))) await attempt(name, 'deleted', unlink);
    for (const { name } of backups.filter(isOver))
      await attempt(name, 'deleted', (path) => this.#delete(path));
    for (const { name } of backups.filter((each) => compress && !each.zipped && !isOver(each))) {
      if (this.#closed.signal.aborted || this.#next !== undefined) break;
      await attempt(name, 'zipped', (path) => this.#zip(path));
    }
    return failures[0];
  }

  async #zip(path: string): Promise<void> {
    const zipping = `${path}.gz.${process.pid}-${made++}.tmp`;
    const { signal } = this.#closed;
    try {
      await pipeline(createReadStream(path), createGzip(), createWriteStream(zipping), { signal });
      await syncFile(zipping);
      await rename(zipping, `${path}.gz`);
    } catch (error) {
      await unlink(zipping).catch(() => undefined);
      throw error;
    }
    await syncFolder(this.#folder);
    await this.#delete(path);
  }

  async #delete(path: string): Promise<void> {
    await unlink(path);
    this.#unsynced.delete(basename(path));
  }

  /** The files of the folder, none where it cannot be listed: the next file that is put aside tries again. */
  async #list(): Promise<string[]> {
    const entries = await readdir(this.#folder, { withFileTypes: true }).catch(() => []);
    return entries.filter((each) => each.isFile()).map(({ name }) => name);
  }

  #isLeftOver(name: string): boolean {
    const match = /^(.*\.gz)(?:\.\d+-\d+)?\.tmp$/.exec(name);
    return match?.[1] !== undefined && this.#parse([match[1]]).length > 0;
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
