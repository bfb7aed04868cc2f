import type { Logger } from 'pino';
import { LEVEL_VALUES, type LogLevel } from './log-level.js';
import { TracedLogger } from './traced-logger.js';

/**
 * The one logger of a namespace. Its children, one for each request and `with()`, are not tracked: they follow its
 * level through pino's prototype chain (test/contract pins that down).
 */
export class NamespaceLogger {
  readonly name: string;
  /** For clog's own lines, which ask `threshold`; everybody else's is {@link lent}. */
  readonly pino: Logger;
  /** The same with the running trace. */
  readonly traced: TracedLogger;
  /** What decides its level, the most specific first. */
  readonly prefixes: readonly string[];
  /** The number below which a line is not written; read on every call, so it is a plain field. */
  threshold = 0;
  #level: LogLevel = 'trace';
  #lent = false;

  constructor(name: string, pino: Logger, prefixes: readonly string[]) {
    this.name = name;
    this.pino = pino;
    this.traced = new TracedLogger(pino, true);
    this.prefixes = prefixes;
  }

  get level(): LogLevel {
    return this.#level;
  }

  set level(level: LogLevel) {
    this.threshold = LEVEL_VALUES[level];
    if (this.#level === level) return;
    this.#level = level;
    // Makes pino exchange its six methods, a microsecond: not for a thousand loggers that nobody else uses.
    if (this.#lent) this.pino.level = level;
  }

  /** The pino logger for other libraries: from now on it, and every child of it that exists, has the level too. */
  get lent(): Logger {
    if (!this.#lent) {
      this.#lent = true;
      this.pino.level = this.#level;
    }
    return this.pino;
  }
}
