import type { LoggerOptions } from 'pino';
import type { Options } from 'pino-http';
import type { ServiceOptions } from '../options/service.js';
import type { LogLevel } from './log-level.js';

/** Options of pino itself. `transport` is not taken, since the lines go to `output`; nor is `level`, which clog has. */
export type PinoOptions = LoggerOptions;
/** Options of pino-http, for the HTTP access log. */
export type PinoHttpOptions = Options;
export type LogFormat = 'json' | 'console';

/** When a log file is put aside, and how long its predecessors are kept. */
export interface RotationOptions {
  /** Size at which the file is put aside, in MB (2^20 bytes). @default 100 */
  readonly maxSize?: number;
  /** How many files put aside are kept; 0 keeps all. @default 10 */
  readonly maxBackups?: number;
  /** How long a file put aside is kept, in days; 0 keeps it for ever. @default 30 */
  readonly maxAge?: number;
  /** Whether files put aside are gzipped, in the background. @default true */
  readonly compress?: boolean;
}

/**
 * How a service logs. `level`, `levels`, `until`, `format`, `enableColor`, `output`, `rotation`, `addSource` and
 * `rootPath` also follow the configuration centre at run time.
 */
export interface ClogOptions {
  /** The level of all namespaces that `levels` does not name. @default 'info' */
  readonly level?: LogLevel;
  /** Levels by namespace; the longest dotted prefix wins. @example { 'user.auth': 'debug', 'im-infra': 'warn' } */
  readonly levels?: Readonly<Record<string, LogLevel>>;
  /** When `level` and `levels` stop counting: an ISO 8601 date or milliseconds since 1970; meant for live options. */
  readonly until?: string | number;
  /** One JSON object a line, or text for people. @default 'console' on a terminal, else 'json' */
  readonly format?: LogFormat;
  /** `'stdout'`, `'stderr'` or the path of a file. @default 'stdout' */
  readonly output?: string;
  /** Adds `source`, the caller's file and line; costs some microseconds a line. @default false */
  readonly addSource?: boolean;
  /** Colours in the console format. @default true on a terminal */
  readonly enableColor?: boolean;
  /** What is taken off the front of `source`. @default the working directory */
  readonly rootPath?: string;
  /** Paths whose values are replaced by `[Redacted]`, in pino's grammar; beside those of `pino`. @example ['password', 'req.headers.cookie'] */
  readonly redact?: readonly string[];
  /**
   * Rotation of the file named by `output`; live options change those of its numbers that they name, `null` switches it
   * off. @default none
   */
  readonly rotation?: RotationOptions | null;
  /** Whether the options of the configuration centre are followed. @default true */
  readonly watch?: boolean;
  /** More options for pino. */
  readonly pino?: PinoOptions;
  /** Options for the HTTP access log; `false` switches it off. */
  readonly pinoHttp?: PinoHttpOptions | false;
}

/** What {@link ClogService.create} takes: who logs, and how. */
export interface ClogServiceOptions extends ClogOptions {
  readonly service: ServiceOptions;
}

const DEVELOPMENT = new Set(['development', 'dev', 'local', 'test']);

/**
 * Options that suit an environment: text, colours, source and `debug` for `development`, `dev`, `local` and `test`;
 * JSON and `info` for all others.
 *
 * @example ImInfraModule.forRoot({ service, clog: { ...defaultClogOptions(env), output: 'stderr' } })
 */
export function defaultClogOptions(env: string): ClogOptions {
  return DEVELOPMENT.has(env)
    ? { level: 'debug', format: 'console', output: 'stdout', enableColor: true, addSource: true }
    : { level: 'info', format: 'json', output: 'stdout', enableColor: false, addSource: false };
}
