import { lstatSync, renameSync } from 'node:fs';
import { AppendFile } from './append-file.js';
import { BackupFiles } from './backup-files.js';
import type { Clock } from './clock.js';
import type { Output } from './output.js';
import type { ResolvedRotation } from './resolve-clog-options.js';
import { StreamOutput } from './stream.output.js';

const MB = 2 ** 20;
/** UTF-8 takes up to three bytes for a unit of UTF-16: only near the limit the bytes must be counted. */
const WIDEST_UNIT = 3;

/**
 * A log file, put aside when it is full if `rotation` says so. Only the rename is on the way of a line; zipping and
 * deleting are not. If the disk refuses a line it is dropped, with one notice on standard error when that begins
 * and one when it ends.
 */
export class FileOutput implements Output {
  readonly #file: AppendFile;
  readonly #backups: BackupFiles;
  readonly #notice: (text: string) => void;
  #rotation: ResolvedRotation | undefined;
  /** The size at which the file is put aside next. */
  #full = Infinity;
  #closed = false;
  #dropped = 0;

  /** Opens the file. Throws what the file system throws. */
  constructor(
    path: string,
    rotation: ResolvedRotation | undefined,
    clock: Clock,
    // Not by `process.stderr`: where nobody reads that, it ends the process.
    notice: (text: string) => void = (text) => new StreamOutput('stderr').write(text),
  ) {
    this.#file = new AppendFile(path);
    this.#backups = new BackupFiles(path, clock, notice);
    this.#notice = notice;
    this.#file.open();
    this.rotate(rotation);
  }

  /** Goes on with another rotation, or none. */
  rotate(rotation: ResolvedRotation | undefined): void {
    this.#rotation = rotation;
    this.#full = Infinity;
    if (rotation === undefined) return;
    const { path } = this.#file;
    // Renamed, a link or a device would no longer lead where somebody wanted the lines to go.
    if (lstatSync(path, { throwIfNoEntry: false })?.isFile() === false) {
      this.#notice(`im-infra: ${path} is no regular file, it is not put aside\n`);
      return;
    }
    this.#full = rotation.maxSize * MB;
    void this.#backups.tidy(rotation);
  }

  write(line: string): void {
    try {
      if (this.#file.size + WIDEST_UNIT * line.length > this.#full && this.#isFullWith(line))
        this.#putAside();
      this.#file.write(line);
      // After close() the descriptor is not kept: nobody would give it back.
      if (this.#closed) this.#file.close();
      if (this.#dropped > 0) this.#recovered();
    } catch (error) {
      if (this.#dropped++ === 0) {
        this.#notice(
          `im-infra: ${this.#file.path} cannot be written (${reason(error)}), its lines are dropped\n`,
        );
      }
    }
  }

  /** Covers the files that were put aside. Rejects with what the file system says. */
  async flush(): Promise<void> {
    await this.#file.sync();
    await this.#backups.sync();
  }

  /** {@link flush} for those who cannot do anything about a failure; it is told on standard error. Never rejects. */
  async settle(): Promise<void> {
    await this.flush().catch((error: unknown) => {
      this.#notice(`im-infra: ${this.#file.path} may not survive a power failure (${reason(error)})\n`);
    });
  }

  /** Never rejects. Zipping that takes long is called off, and left to who opens the file next. */
  async close(): Promise<void> {
    this.#closed = true;
    const stopped = this.#backups.close();
    await this.settle();
    this.#file.close();
    await stopped;
  }

  #isFullWith(line: string): boolean {
    return this.#file.size > 0 && this.#file.size + Buffer.byteLength(line) > this.#full;
  }

  #putAside(): void {
    const { path } = this.#file;
    try {
      this.#file.close();
      renameSync(path, this.#backups.next());
    } catch (error) {
      // The lines are worth more than the size: the file grows, and a tenth later it is tried again.
      this.#full = this.#file.size * 1.1;
      this.#notice(`im-infra: ${path} cannot be put aside (${reason(error)}), it grows beyond its size\n`);
    }
    this.#file.open();
    if (this.#file.size === 0 && this.#rotation !== undefined) {
      this.#full = this.#rotation.maxSize * MB;
      void this.#backups.tidy(this.#rotation);
    }
  }

  #recovered(): void {
    this.#notice(`im-infra: ${this.#file.path} can be written again, ${this.#dropped} lines were dropped\n`);
    this.#dropped = 0;
  }
}

function reason(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
