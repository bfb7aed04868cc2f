import {
  closeSync,
  existsSync,
  fdatasync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { syncFile, syncFolder } from './sync-file.js';
import { type WriteSome, writeFully, writtenBefore } from './write-fully.js';

const sync = promisify(fdatasync);

/** A file that lines are appended to, and its size. Methods throw what the file system throws. */
export class AppendFile {
  readonly path: string;
  readonly #writeSome: WriteSome | undefined;
  #fd: number | undefined;
  #size = 0;
  /** Whether the file ends in a piece of a line. */
  #torn = false;
  /** Whether it is a regular file: no device, no pipe. */
  #onDisk = true;
  /** Whether it was written to since it was last known to be on the disk. */
  #dirty = false;
  /** Whether its name in the folder may not be on the disk yet. */
  #new = false;
  /** What waits for the descriptor: it must not be another file's by the time they are done. */
  readonly #syncs = new Set<Promise<void>>();
  #syncing: Promise<void> | undefined;

  constructor(path: string, writeSome?: WriteSome) {
    this.path = path;
    this.#writeSome = writeSome;
  }

  get size(): number {
    return this.#size;
  }

  /** Opens the file, made with its folder where missing. A torn last line, left by a power failure, is ended first. */
  open(): void {
    if (this.#fd !== undefined) return;
    makeFolder(dirname(this.path));
    // Append and read: the last byte is looked at.
    const fd = openSync(this.path, 'a+');
    try {
      const stats = fstatSync(fd);
      this.#size = stats.size;
      this.#onDisk = stats.isFile();
      this.#new ||= this.#size === 0;
      this.#torn = !endsLine(fd, this.#size);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.#fd = fd;
  }

  /** Writes the whole line, or throws and leaves none of it. */
  write(line: string): void {
    this.open();
    const fd = this.#fd as number;
    this.#dirty = true;
    try {
      this.#size += writeFully(fd, this.#torn ? `\n${line}` : line, this.#writeSome);
      this.#torn = false;
    } catch (error) {
      this.#takeBack(fd, writtenBefore(error));
      throw error;
    }
  }

  /** Resolves when what was written is on the disk, at once where there is none: a device, a pipe. */
  async sync(): Promise<void> {
    // What another call has begun with may not be there yet; if that fails, it is begun anew here.
    while (this.#syncing) await this.#syncing.catch(() => undefined);
    this.#syncing = this.#sync();
    try {
      await this.#syncing;
    } finally {
      this.#syncing = undefined;
    }
  }

  async #sync(): Promise<void> {
    const fd = this.#fd;
    if (!this.#dirty || !this.#onDisk) return;
    const isNew = this.#new;
    this.#dirty = false;
    this.#new = false;
    try {
      await (fd === undefined ? syncFile(this.path) : this.#syncOpen(fd));
      if (isNew) await syncFolder(dirname(this.path));
    } catch (error) {
      this.#dirty = true;
      this.#new = isNew;
      throw error;
    }
  }

  close(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd === undefined) return;
    if (this.#syncs.size === 0) closeSync(fd);
    else void Promise.allSettled(this.#syncs).then(() => closeSync(fd));
  }

  async #syncOpen(fd: number): Promise<void> {
    const running = sync(fd);
    this.#syncs.add(running);
    try {
      await running;
    } finally {
      this.#syncs.delete(running);
    }
  }

  /** Cuts off the piece of a line that was written before an error; where that fails the next line ends it. */
  #takeBack(fd: number, written: number): void {
    if (written === 0) return;
    this.#torn = true;
    try {
      const { size } = fstatSync(fd);
      // Behind another writer's lines, or in a file that was cut meanwhile, the piece is not at the end.
      if (size === this.#size + written) ftruncateSync(fd, this.#size);
      else this.#size = size;
      this.#torn = !endsLine(fd, this.#size);
    } catch {
      // A disk that refuses this too.
      this.#size += written;
    }
  }
}

/**
 * Makes a folder and those above it. Not by `recursive: true`: Node 20 never returns where the system answers ENOENT
 * below a folder that exists, as /proc does.
 */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (error) {
    // Another process was faster.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

const NEWLINE = 10;

function endsLine(fd: number, size: number): boolean {
  const last = Buffer.alloc(1);
  // A device or a pipe cannot be read at a position; there is nothing to repair there.
  if (size === 0 || !fstatSync(fd).isFile()) return true;
  return readSync(fd, last, 0, 1, size - 1) === 0 || last[0] === NEWLINE;
}
