import type { Logger } from 'pino';
import type { ClogCore } from './clog-core.js';
import { errorMessage, isError } from './error-record.js';
import { flatLine } from './flat-line.js';
import { type Fields, copyFields, lineFields } from './line-fields.js';
import { LEVEL_NAMES, type LineLevel } from './log-level.js';
import { nestLines } from './nest-arguments.js';
import { sourceLocation } from './source-location.js';
import type { TracedLogger } from './traced-logger.js';

/** No field is left to a serializer. */
const NOTHING: ReadonlySet<string> = new Set();

type Method = (...args: never[]) => unknown;

/** Makes a line of what a log method was given. Whatever that is, it does not throw, and something is written. */
export class LineWriter {
  readonly #core: ClogCore;
  readonly #traced: TracedLogger;
  readonly #namespace: string;

  constructor(core: ClogCore, traced: TracedLogger, namespace: string) {
    this.#core = core;
    this.#traced = traced;
    this.#namespace = namespace;
  }

  /** Writes what a method of Nest's LoggerService was given: one line or several. */
  writeNest(level: LineLevel, message: unknown, optional: readonly unknown[], method: Method): void {
    if (typeof message === 'string' && optional.length <= 1 && typeof optional[0] !== 'string') {
      this.write(level, message, optional[0], method);
      return;
    }
    try {
      for (const line of nestLines(level >= 50, message, optional)) {
        this.write(level, line.message, line.fields, method);
      }
    } catch (failure) {
      this.#writeFailure(typeof message === 'string' ? message : '', failure);
    }
  }

  /** On the way of every line, so it holds only what nearly every line needs. */
  write(level: LineLevel, message: unknown, given: unknown, method: Method): void {
    const fields = given ?? undefined;
    if (typeof message !== 'string' || (fields !== undefined && typeof fields !== 'object')) {
      this.writeNest(level, message, [fields, undefined], method);
      return;
    }
    const core = this.#core;
    try {
      const target = this.#traced.current();
      const flat = core.flat && !core.addSource;
      const line = flat ? flatLine(target, level, message, fields as Fields | undefined) : undefined;
      if (line === undefined) this.#writeByPino(target, level, message, fields as Fields | undefined, method);
      else core.sink.write(line);
    } catch {
      this.#writeCopy(level, message, fields as Fields | undefined);
    }
  }

  /** A line with fields that are objects, or with its source, or one that the application's pino options change. */
  #writeByPino(
    target: Logger,
    level: LineLevel,
    message: string,
    fields: Fields | undefined,
    method: Method,
  ): void {
    const core = this.#core;
    const name = LEVEL_NAMES[level];
    const record = fields && lineFields(fields, core.serialized);
    if (core.addSource) {
      const source = sourceLocation(method, core.options.rootPath);
      target[name](source === undefined ? { ...record } : { ...record, source }, message);
    } else if (record === undefined) target[name](message);
    else target[name](record, message);
  }

  /** A getter threw, or a hook, serializer or mixin of the application: once more, with values that are safe. */
  #writeCopy(level: LineLevel, message: string, fields: Fields | undefined): void {
    try {
      this.#traced.current()[LEVEL_NAMES[level]](copyFields(fields ?? {}, NOTHING), message);
    } catch (failure) {
      this.#writeFailure(message, failure);
    }
  }

  /** What is left of a line that pino cannot write at all. */
  #writeFailure(message: string, failure: unknown): void {
    const reason = isError(failure) ? errorMessage(failure) : 'a value was thrown';
    const { service, sink, now } = this.#core;
    const line = {
      level: 'error',
      time: now,
      service: service.name,
      namespace: this.#namespace,
      reason,
      msg: message,
    };
    sink.write(`${JSON.stringify(line)}\n`);
  }
}
