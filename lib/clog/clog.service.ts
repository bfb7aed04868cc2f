import type { LoggerService, OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from 'pino';
import type { Observable } from 'rxjs';
import { ValidationError } from '../errors/validation.error.js';
import { resolveService } from '../options/service.js';
import { ClogCore, type ClogParts } from './clog-core.js';
import type { ClogServiceOptions } from './clog.options.js';
import { CLOG_TAP } from './clog.tokens.js';
import { type Fields, copyFields } from './line-fields.js';
import { LineWriter } from './line-writer.js';
import { LEVEL_VALUES, type LogLevel, checkLevel } from './log-level.js';
import type { NamespaceLogger } from './namespace-logger.js';
import { checkNamespace, patternPrefix } from './namespace.js';
import { leastNestLevel } from './nest-levels.js';
import { reportOutcome } from './report-outcome.js';
import type { LineListener } from './sink.js';
import { TracedLogger } from './traced-logger.js';
import { checkUntil } from './until.js';

/**
 * Structured logs: one record a line, with the service, the namespace and, inside a request, the trace. Implements
 * Nest's LoggerService: `app.useLogger(app.get(ClogService))`.
 *
 * A log call never throws, whatever it is given, and when it returns the line is with the operating system: neither
 * `process.exit` nor a crash takes it away.
 */
export class ClogService implements LoggerService, OnApplicationShutdown {
  readonly #core: ClogCore;
  readonly #logger: NamespaceLogger;
  readonly #fields: Fields | undefined;
  readonly #traced: TracedLogger;
  readonly #writer: LineWriter;

  /**
   * A logger of its own, for scripts and tests; in an application ImInfraModule makes it.
   *
   * @throws ValidationError that names the wrong option, `service.name` or `clog.level`.
   * @example const clog = ClogService.create({ service: { name: 'importer' }, level: 'debug' });
   */
  static create(options: ClogServiceOptions, parts?: ClogParts): ClogService {
    if (typeof options !== 'object' || options === null) {
      throw new ValidationError('options', 'an object, { service, level, … }', options);
    }
    const { service, ...clog } = options;
    const core = new ClogCore(resolveService(service), clog, parts);
    return new ClogService(core, core.namespaces.get(''));
  }

  /** @internal Use {@link create}, {@link namespace} or {@link with}. */
  constructor(core: ClogCore, logger: NamespaceLogger, fields?: Fields) {
    this.#core = core;
    this.#logger = logger;
    this.#fields = fields;
    this.#traced = fields === undefined ? logger.traced : new TracedLogger(logger.pino.child(fields), false);
    this.#writer = new LineWriter(core, this.#traced, logger.name);
  }

  trace(message: string, fields?: Fields): void {
    if (this.#logger.threshold <= 10) this.#writer.write(10, message, fields, this.trace);
  }

  info(message: string, fields?: Fields): void {
    if (this.#logger.threshold <= 30) this.#writer.write(30, message, fields, this.info);
  }

  debug(message: string, fields?: Fields): void;
  debug(message: unknown, ...optional: unknown[]): void;
  debug(message: unknown, ...optional: unknown[]): void {
    if (this.#logger.threshold <= 20) this.#writer.writeNest(20, message, optional, this.debug);
  }

  warn(message: string, fields?: Fields): void;
  warn(message: unknown, ...optional: unknown[]): void;
  warn(message: unknown, ...optional: unknown[]): void {
    if (this.#logger.threshold <= 40) this.#writer.writeNest(40, message, optional, this.warn);
  }

  /** An error goes into the field `err`: `clog.error('order failed', { err, orderId })`. */
  error(message: string, fields?: Fields): void;
  error(message: unknown, ...optional: unknown[]): void;
  error(message: unknown, ...optional: unknown[]): void {
    if (this.#logger.threshold <= 50) this.#writer.writeNest(50, message, optional, this.error);
  }

  fatal(message: string, fields?: Fields): void;
  fatal(message: unknown, ...optional: unknown[]): void;
  fatal(message: unknown, ...optional: unknown[]): void {
    if (this.#logger.threshold <= 60) this.#writer.writeNest(60, message, optional, this.fatal);
  }

  /** Nest's name for `info`. */
  log(message: unknown, ...optional: unknown[]): void {
    if (this.#logger.threshold <= 30) this.#writer.writeNest(30, message, optional, this.log);
  }

  /** Nest's name for `trace`. */
  verbose(message: unknown, ...optional: unknown[]): void {
    if (this.#logger.threshold <= 10) this.#writer.writeNest(10, message, optional, this.verbose);
  }

  /** The logger of a namespace below this one: `'user'`, in it `'auth'`, is `'user.auth'`. Fields are kept. */
  namespace(name: string): ClogService {
    checkNamespace('namespace', name);
    const full = this.#logger.name === '' ? name : `${this.#logger.name}.${name}`;
    return new ClogService(this.#core, this.#core.namespaces.get(full), this.#fields);
  }

  /** {@link namespace} by its older name. */
  module(name: string): ClogService {
    return this.namespace(name);
  }

  /** A logger whose lines all carry these fields. */
  with(fields: Fields): ClogService {
    if (typeof fields !== 'object' || fields === null)
      throw new ValidationError('fields', 'an object', fields);
    const safe = copyFields(fields, this.#core.serialized);
    return new ClogService(this.#core, this.#logger, { ...this.#fields, ...safe });
  }

  /** The level in force for this namespace. Setting it sets that of this namespace and all below it. */
  get level(): LogLevel {
    return this.#logger.level;
  }

  set level(level: LogLevel) {
    this.setLevel(level);
  }

  isLevelEnabled(level: LogLevel): boolean {
    return LEVEL_VALUES[checkLevel('level', level)] >= this.#logger.threshold;
  }

  /**
   * Changes levels at run time, also for requests that are running. The longest matching prefix wins; the next change
   * of the configuration centre takes precedence again.
   *
   * @param namespacePattern `'user'` or `'user.*'`: the namespace and all below it; `'*'`: all. @default this namespace
   * @param options.until when the change ends by itself. @default never
   */
  setLevel(
    level: LogLevel,
    namespacePattern?: string,
    options: { readonly until?: Date | string | number } = {},
  ): void {
    checkLevel('level', level);
    const prefix =
      namespacePattern === undefined
        ? this.#logger.name
        : patternPrefix('namespacePattern', namespacePattern);
    this.#core.namespaces.set(prefix, level, checkUntil('options.until', options.until));
  }

  /** Nest's way to set levels: the least of those listed counts, for this namespace. */
  setLogLevels(levels: readonly string[]): void {
    this.setLevel(leastNestLevel(levels));
  }

  /**
   * Follows live options, each value the parsed JSON of the configuration centre's `clog` key or `undefined` where it
   * does not exist: then the options of the start hold again. A wrong value is refused as a whole, with one warning,
   * and the last good one stays. With `watch: false` nothing is followed.
   *
   * @returns how to stop; closing the logger stops it too.
   */
  follow(options$: Observable<unknown>): () => void {
    if (!this.#core.boot.watch) return () => undefined;
    const own = new ClogService(this.#core, this.#core.namespaces.get('im-infra.clog'));
    return this.#core.follow(options$, (outcome) => reportOutcome(own, outcome));
  }

  /**
   * Resolves when the lines written so far would survive a power failure: those in files, also in files that were put
   * aside or exchanged since; at once for streams. Rejects with what the file system says.
   */
  flush(): Promise<void> {
    return this.#core.flush();
  }

  /** Flushes, closes files, stops following and ends timers. Idempotent; a line written later still arrives. */
  close(): Promise<void> {
    return this.#core.close();
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  /** The pino logger of this namespace, for libraries that take one; without the trace. */
  get pino(): Logger {
    return this.#lend().pino;
  }

  /** The pino logger of this namespace for what is written now, with the trace. */
  get currentPino(): Logger {
    return this.#lend().current();
  }

  #lend(): TracedLogger {
    // Children of it, with fields or a trace, follow its level.
    void this.#logger.lent;
    return this.#traced;
  }

  /** The options in force of this application's logging, @internal. */
  get core(): ClogCore {
    return this.#core;
  }

  /** @internal For `observeClog`. */
  [CLOG_TAP](listener: LineListener): () => void {
    return this.#core.sink.tap(listener);
  }
}
