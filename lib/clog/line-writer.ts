import type { ClogCore } from './clog-core.js';
import { type Fields, copyFields, lineFields } from './line-fields.js';
import type { LogLevel } from './log-level.js';
import { nestLines } from './nest-arguments.js';
import { sourceLocation } from './source-location.js';
import type { TracedLogger } from './traced-logger.js';

/** No field is left to a serializer. */
const NOTHING: ReadonlySet<string> = new Set();

export type WrittenLevel = Exclude<LogLevel, 'silent'>;
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
  writeNest(level: WrittenLevel, message: unknown, optional: readonly unknown[], method: Method): void {
    if (typeof message === 'string' && optional.length <= 1 && typeof optional[0] !== 'string') {
      this.write(level, message, optional[0], method);
      return;
    }
    for (const line of nestLines(level === 'error' || level === 'fatal', message, optional)) {
      this.write(level, line.message, line.fields, method);
    }
  }

  /** On the way of every line, so it holds only what nearly every line needs. */
  write(level: WrittenLevel, message: unknown, fields: unknown, method: Method): void {
    if (typeof message !== 'string' || (fields !== undefined && !isObject(fields))) {
      this.writeNest(level, message, [fields, undefined], method);
      return;
    }
    const core = this.#core;
    try {
      const target = this.#traced.current();
      if (core.addSource) target[level](this.#withSource(fields as Fields | undefined, method), message);
      else if (fields === undefined) target[level](message);
      else target[level](lineFields(fields as Fields, core.serialized), message);
    } catch {
      this.#writeCopy(level, message, fields as Fields | undefined);
    }
  }

  /** A getter threw, or a hook, serializer or mixin of the application: once more, with values that are safe. */
  #writeCopy(level: WrittenLevel, message: string, fields: Fields | undefined): void {
    try {
      this.#traced.current()[level](copyFields(fields ?? {}, NOTHING), message);
    } catch (failure) {
      this.#writeFailure(message, failure);
    }
  }

  #withSource(fields: Fields | undefined, method: Method): Fields {
    const source = sourceLocation(method, this.#core.options.rootPath);
    const record = fields && lineFields(fields, this.#core.serialized);
    return source === undefined ? { ...record } : { ...record, source };
  }

  /** What is left of a line that pino cannot write at all. */
  #writeFailure(message: string, failure: unknown): void {
    const reason = failure instanceof Error ? failure.message : 'a value was thrown';
    const { service, sink, now } = {
      service: this.#core.service.name,
      sink: this.#core.sink,
      now: this.#core.now,
    };
    const line = { level: 'error', time: now, service, namespace: this.#namespace, reason, msg: message };
    sink.write(`${JSON.stringify(line)}\n`);
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
