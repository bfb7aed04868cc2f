import { closeSync, existsSync, fdatasync, fstatSync, mkdirSync, openSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { writeFully } from './write-fully.js';

const sync = promisify(fdatasync);

/** A file that lines are appended to, and its size. Methods throw what the file system throws. */
export class AppendFile {
  readonly path: string;
  #fd: number | undefined;
  #size = 0;

  constructor(path: string) {
    this.path = path;
  }

  get size(): number {
    return this.#size;
  }

  get isOpen(): boolean {
    return this.#fd !== undefined;
  }

  /** Opens the file, made with its folder where missing. A torn last line, left by a full disk, is ended first. */
  open(): void {
    if (this.#fd !== undefined) return;
    makeFolder(dirname(this.path));
    // Append and read: the last byte is looked at.
    const fd = openSync(this.path, 'a+');
    try {
      this.#size = fstatSync(fd).size;
      if (this.#size > 0 && !endsLine(fd, this.#size)) this.#size += writeFully(fd, '\n');
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.#fd = fd;
  }

  write(line: string): void {
    if (this.#fd === undefined) this.open();
    if (this.#fd !== undefined) this.#size += writeFully(this.#fd, line);
  }

  async sync(): Promise<void> {
    if (this.#fd !== undefined) await sync(this.#fd);
  }

  close(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) closeSync(fd);
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
  if (!fstatSync(fd).isFile()) return true;
  return readSync(fd, last, 0, 1, size - 1) === 0 || last[0] === NEWLINE;
}
