import { CLOG_TAP } from '../clog/clog.tokens.js';
import { ClogService } from '../clog/clog.service.js';
import type { ClogOptions } from '../clog/clog.options.js';
import type { Output } from '../clog/output.js';

/** A line as it was written. */
export interface ObservedLine {
  readonly level: string;
  readonly time: number;
  readonly msg: string;
  readonly service: string;
  readonly namespace: string;
  readonly trace_id?: string;
  readonly span_id?: string;
  readonly [field: string]: unknown;
}

/** Lines that were observed, in order; a filter gives others of the same kind. */
export class ObservedLogs {
  readonly #lines: ObservedLine[];
  readonly #wanted: (line: ObservedLine) => boolean;

  /** @param lines all that are observed, those of others among them. */
  constructor(lines: ObservedLine[], wanted: (line: ObservedLine) => boolean = () => true) {
    this.#lines = lines;
    this.#wanted = wanted;
  }

  /** All lines up to now. */
  all(): ObservedLine[] {
    return this.#lines.filter(this.#wanted);
  }

  /** All lines up to now; they will not be seen again. Those that a filter leaves out stay. */
  takeAll(): ObservedLine[] {
    const taken = this.all();
    const rest = this.#lines.filter((line) => !this.#wanted(line));
    this.#lines.splice(0, this.#lines.length, ...rest);
    return taken;
  }

  /** The messages of {@link all}. */
  messages(): string[] {
    return this.all().map(({ msg }) => msg);
  }

  /** Lines of a namespace and those below it. */
  namespace(name: string): ObservedLogs {
    return this.filter(({ namespace }) => namespace === name || namespace.startsWith(`${name}.`));
  }

  /** Lines of a level. */
  level(level: string): ObservedLogs {
    return this.filter((line) => line.level === level);
  }

  /** Lines with a field, of a value if one is given (compared as JSON). */
  field(name: string, ...value: [value?: unknown]): ObservedLogs {
    const wanted = JSON.stringify(value[0]);
    return this.filter(
      (line) => name in line && (value.length === 0 || JSON.stringify(line[name]) === wanted),
    );
  }

  /** Lines of a trace. */
  trace(traceId: string): ObservedLogs {
    return this.filter((line) => line.trace_id === traceId);
  }

  /** Lines that a test chooses. */
  filter(wanted: (line: ObservedLine) => boolean): ObservedLogs {
    return new ObservedLogs(this.#lines, (line) => this.#wanted(line) && wanted(line));
  }
}

/** The lines of one logger, and the logger. */
export class ObservedClog extends ObservedLogs implements Disposable {
  readonly clog: ClogService;
  readonly #stop: () => void;

  /** @internal Use {@link observeClog}. */
  constructor(clog: ClogService, lines: ObservedLine[]) {
    super(lines);
    this.clog = clog;
    this.#stop = clog[CLOG_TAP]((line) => lines.push(JSON.parse(line) as ObservedLine));
  }

  /** Ends the observation; the lines seen stay. */
  stop(): void {
    this.#stop();
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}

const NOWHERE: Output = {
  write: () => undefined,
  flush: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

/**
 * Watches what a logger writes, for tests.
 *
 * @param target the application's logger, `app.get(ClogService)`, which goes on writing to its output; or options for
 * one that is made here at level `trace` and writes nowhere else. @default the latter
 * @example
 * const logs = observeClog();
 * new OrderService(logs.clog).place(order);
 * expect(logs.namespace('order').messages()).toEqual(['placed']);
 */
export function observeClog(target: ClogService | ClogOptions = {}): ObservedClog {
  const clog =
    CLOG_TAP in target
      ? target
      : ClogService.create(
          { service: { name: 'test' }, level: 'trace', format: 'json', ...target },
          { output: NOWHERE },
        );
  return new ObservedClog(clog, []);
}
