import { renameSync } from 'node:fs';
import { AppendFile } from './append-file.js';
import { BackupFiles } from './backup-files.js';
import type { Clock } from './clock.js';
import type { Output } from './output.js';
import type { ResolvedRotation } from './resolve-clog-options.js';

const MB = 2 ** 20;

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
    notice = (text: string): void => void process.stderr.write(text),
  ) {
    this.#file = new AppendFile(path);
    this.#backups = new BackupFiles(path, clock);
    this.#notice = notice;
    this.#file.open();
    this.rotate(rotation);
  }

  /** Goes on with another rotation, or none. */
  rotate(rotation: ResolvedRotation | undefined): void {
    this.#rotation = rotation;
    this.#full = rotation === undefined ? Infinity : rotation.maxSize * MB;
    if (rotation !== undefined) void this.#backups.tidy(rotation);
  }

  write(line: string): void {
    try {
      if (this.#file.size + line.length > this.#full && this.#file.size > 0) this.#putAside();
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

  async flush(): Promise<void> {
    await this.#file.sync().catch(() => undefined);
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      await this.flush();
      this.#closed = true;
      this.#file.close();
    }
    await this.#backups.idle();
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
